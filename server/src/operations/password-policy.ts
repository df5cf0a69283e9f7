import type { Implementation } from '../implement.ts';

export const passwordPolicy: Implementation['passwordPolicy'] = {
  get: (_input, { config }) => ({ output: config.passwordPolicy }),
};
