import type { Implementation } from '../handler.ts';

export const passwordPolicy: Implementation['passwordPolicy'] = {
  get: (_input, { config }) => ({ output: config.passwordPolicy }),
};
