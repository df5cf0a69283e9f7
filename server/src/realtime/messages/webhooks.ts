import { createSign } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Clock } from '../../common/clock.ts';
import type { WebhookRule } from '../../domain/webhook-rules.ts';
import { requestsLeftHeader } from '../../domain/requests-left.ts';
import { checkHost, publicLookup, type Resolve } from './public-address.ts';

/** One request to make for a device. */
export interface WebhookJob {
  /** The device whose hook it is. */
  readonly uuid: string;
  readonly hook: WebhookRule;
  /** JSON text. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** How many further requests what its receiver posts back may cause. */
  readonly requestsLeft: number;
}

/** A try that failed, for the owner of the hook to read. */
export interface HookFailure {
  readonly uuid: string;
  readonly at: Date;
  /** Without its query, which may hold a secret. */
  readonly url: string;
  /** The HTTP status, if there was an answer. */
  readonly status?: number;
  readonly reason: string;
  /** When it is tried again; null if it was the last try. */
  readonly nextTryAt: Date | null;
}

/** Makes the requests of webhooks: a bounded queue, several at once, failed ones again later. */
export interface Webhooks {
  /** Takes a job; one that finds the queue full is recorded as failed. */
  add(job: WebhookJob): void;
  close(): Promise<void>;
}

const maxWaiting = 1_000;
const maxOfDevice = 100;
const atOnce = 16;
const requestMs = 10_000;
/** After each failed try, how long until the next one. */
const backoffMs = [1_000, 10_000, 60_000];

class StatusError extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`answered with status ${status}`);
    this.status = status;
  }
}

/** The hook asks for credentials that it may not have: nothing is sent, and nothing is tried again. */
class CredentialsRefusedError extends Error {
  constructor() {
    super('the credentials of this device may not be forwarded: set the hook again as an actor who may issue its tokens');
  }
}

const send = (
  job: WebhookJob,
  headers: Readonly<Record<string, string>>,
  lookup: LookupFunction | undefined,
  signal: AbortSignal,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const url = new URL(job.hook.url);
    if (lookup !== undefined) checkHost(url);
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(
      url,
      { method: job.hook.method, headers, signal, timeout: requestMs, ...(lookup && { lookup }) },
      (response) => {
        response.resume();
        const status = response.statusCode ?? 0;
        // A redirect is not followed: it would lead anywhere.
        if (status >= 200 && status < 300) resolve();
        else reject(new StatusError(status));
      },
    );
    request.on('timeout', () => request.destroy(new Error(`no answer within ${requestMs} ms`)));
    request.on('error', reject);
    request.end(job.hook.method === 'GET' ? undefined : job.body);
  });

/**
 * `date` and `x-meshblu-uuid`, signed with RSA-SHA256 under the key id that Meshblu's receivers know (MS-6.5), in the form of
 * draft-cavage-http-signatures-12, section 4.
 */
const signature = (privateKey: string, date: string, uuid: string): string => {
  const signed = createSign('RSA-SHA256').update(`date: ${date}\nx-meshblu-uuid: ${uuid}`).sign(privateKey, 'base64');
  return `keyId="meshblu-webhook-key",algorithm="rsa-sha256",headers="date x-meshblu-uuid",signature="${signed}"`;
};

/** Opens the webhooks. `allowPrivate`: requests may go to addresses that are not public. */
export const openWebhooks = (options: {
  readonly clock: Clock;
  readonly allowPrivate: boolean;
  readonly privateKey: () => Promise<string>;
  /** A token of the device for one request of this hook, and what ends it; null if it may not carry one. */
  readonly issue: (job: WebhookJob) => Promise<{ readonly token: string; revoke(): Promise<unknown> } | null>;
  readonly record: (failure: HookFailure) => Promise<void>;
  readonly report: (error: unknown) => void;
  readonly resolve?: Resolve;
}): Webhooks => {
  const { clock, issue, record, report } = options;
  const lookup = options.allowPrivate ? undefined : publicLookup(options.resolve);
  const waiting: { readonly job: WebhookJob; readonly tries: number }[] = [];
  const ofDevice = new Map<string, number>();
  const cancels = new Set<() => void>();
  const stop = new AbortController();
  // Each request listens to it.
  setMaxListeners(2 * atOnce, stop.signal);
  let running = 0;
  let idle = (): void => undefined;

  const leave = (uuid: string): void => {
    const left = (ofDevice.get(uuid) ?? 1) - 1;
    if (left > 0) ofDevice.set(uuid, left);
    else ofDevice.delete(uuid);
  };

  const failed = async (job: WebhookJob, reason: unknown, nextTryAt: Date | null): Promise<void> => {
    const { origin, pathname } = new URL(job.hook.url);
    await record({
      uuid: job.uuid,
      at: new Date(clock.now()),
      url: origin + pathname,
      ...(reason instanceof StatusError && { status: reason.status }),
      reason: reason instanceof Error ? reason.message : String(reason),
      nextTryAt,
    }).catch(report);
  };

  const carryOut = async (job: WebhookJob): Promise<void> => {
    const { uuid, hook, headers, body } = job;
    const date = new Date(clock.now()).toUTCString();
    const credentials = hook.withCredentials ? await issue(job) : undefined;
    if (credentials === null) throw new CredentialsRefusedError();
    try {
      const bearer = credentials && { authorization: `Bearer ${Buffer.from(`${uuid}:${credentials.token}`).toString('base64')}` };
      const signed = hook.signed ? signature(await options.privateKey(), date, uuid) : undefined;
      await send(
        job,
        {
          ...hook.headers,
          ...(hook.method !== 'GET' && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
          date,
          ...headers,
          [requestsLeftHeader]: String(job.requestsLeft),
          'x-meshblu-uuid': uuid,
          ...bearer,
          ...(signed !== undefined && (bearer ? { signature: signed } : { authorization: `Signature ${signed}` })),
        },
        lookup,
        stop.signal,
      );
    } finally {
      await credentials?.revoke();
    }
  };

  const next = (): void => {
    while (running < atOnce && !stop.signal.aborted) {
      const one = waiting.shift();
      if (one === undefined) break;
      running += 1;
      void attempt(one);
    }
    if (running === 0) idle();
  };

  const attempt = async ({ job, tries }: { readonly job: WebhookJob; readonly tries: number }): Promise<void> => {
    try {
      await carryOut(job);
      leave(job.uuid);
    } catch (error) {
      const wait = backoffMs[tries];
      const again = wait !== undefined && !stop.signal.aborted && !(error instanceof CredentialsRefusedError);
      await failed(job, error, again ? new Date(clock.now() + wait) : null);
      if (again) {
        const cancel = clock.after(wait, () => {
          cancels.delete(cancel);
          waiting.push({ job, tries: tries + 1 });
          next();
        });
        cancels.add(cancel);
      } else {
        leave(job.uuid);
      }
    } finally {
      running -= 1;
      next();
    }
  };

  return {
    add(job) {
      if (stop.signal.aborted) return;
      const own = ofDevice.get(job.uuid) ?? 0;
      if (waiting.length >= maxWaiting || own >= maxOfDevice) {
        void failed(job, new Error('too many requests are waiting'), null);
        return;
      }
      ofDevice.set(job.uuid, own + 1);
      waiting.push({ job, tries: 0 });
      next();
    },
    async close() {
      stop.abort();
      for (const cancel of cancels) cancel();
      if (running > 0) await new Promise<void>((resolve) => (idle = resolve));
    },
  };
};
