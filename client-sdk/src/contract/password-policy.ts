import Type from 'typebox';
import { operation } from './operation.ts';
import { PasswordPolicy } from './user-models.ts';

/** What a new password must have. AC-3.10, AC-5.6. */
export const get = operation({
  http: ['GET /api/password-policy'],
  dialect: 'accessControl',
  summary: 'What a new password must have.',
  access: { self: true },
  enrolling: true,
  mutates: false,
  input: Type.Object({}, { additionalProperties: false }),
  output: PasswordPolicy,
  errors: [],
});
