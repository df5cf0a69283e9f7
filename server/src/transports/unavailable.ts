import type { IncomingMessage } from 'node:http';
import { fingerprintOf } from '../identity/tokens/jwt.ts';
import { statusView } from '../backup/jobs.ts';
import type { Maintenance } from '../backup/jobs.ts';
import { credentialsOf } from './dialects/meshblu-credentials.ts';

/** What is answered while nobody serves, if anything is. */
export type UnavailableAnswer = (request: IncomingMessage) => Promise<unknown>;

/** The status of a restore, to whoever began it; undefined for everything else. */
export const unavailableAnswers =
  ({ statusFor }: Pick<Maintenance, 'statusFor'>): UnavailableAnswer =>
  async ({ method, url, headers }) => {
    const token = credentialsOf(headers)?.token;
    if (method !== 'GET' || url !== '/api/maintenance/db' || typeof token !== 'string') return undefined;
    const state = await statusFor(fingerprintOf(token));
    return state === null ? undefined : statusView(state);
  };
