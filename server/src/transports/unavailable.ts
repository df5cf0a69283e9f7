import type { IncomingMessage } from 'node:http';
import { fingerprintOf } from '../identity/tokens/jwt.ts';
import { statusView } from '../backup/jobs.ts';
import type { Maintenance } from '../backup/jobs.ts';
import { credentialsOf } from './dialects/meshblu-credentials.ts';

/** Gives the answer to a request while the registry is not served, if there is one. */
export type UnavailableAnswer = (request: IncomingMessage) => Promise<unknown>;

/**
 * Answers the status of a restore to the client that started it. Undefined for all other requests.
 */
export const unavailableAnswers =
  ({ statusFor }: Pick<Maintenance, 'statusFor'>): UnavailableAnswer =>
  async ({ method, url, headers }) => {
    const token = credentialsOf(headers)?.token;
    if (method !== 'GET' || url !== '/api/maintenance/db' || typeof token !== 'string') return undefined;
    const state = await statusFor(fingerprintOf(token));
    return state === null ? undefined : statusView(state);
  };
