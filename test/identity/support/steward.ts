import { until } from '../../support/until.ts';

export const adminPassword = 'Admin-of-the-tests-1';

/** A job as the HTTP API tells of it. */
export interface ToldJob {
  readonly id: string;
  readonly succeeded: boolean;
  readonly statusMessage: string;
  readonly startDate: string;
  readonly endDate?: string;
}

/** What `GET /api/maintenance/db` answers. */
export interface ToldStatus {
  readonly running: boolean;
  readonly backup?: ToldJob;
  readonly restore?: ToldJob;
}

/** An administrator who backs up and restores over HTTP. He logs in again whenever he has to. */
export interface Steward {
  ask(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: unknown }>;
  /** The token that he shows now. */
  token(): Promise<string>;
  status(): Promise<ToldStatus>;
  /** Begins a backup, waits for its end, and answers the archive. */
  backup(): Promise<Buffer<ArrayBuffer>>;
  /** Sends an archive; answers the status of the response. */
  send(archive: Buffer<ArrayBuffer> | FormData): Promise<number>;
  /** Sends an archive, waits for the end, and answers what came of it. */
  restore(archive: Buffer<ArrayBuffer>): Promise<ToldJob>;
}

type Init = Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> };

/** `url` may change, as after a restart. */
export const stewardOf = (url: () => string, password = adminPassword): Steward => {
  let token: string | undefined;

  const login = async (): Promise<string> => {
    let made: string | undefined;
    await until(async () => {
      const response = await fetch(`${url()}/api/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username: 'admin', password }),
      });
      const body = (await response.json()) as { token?: string };
      made = body.token;
      return made !== undefined;
    }, 30_000);
    return made ?? '';
  };

  const fetched = async (path: string, init: Init = {}): Promise<Response> => {
    token ??= await login();
    const again = (): Promise<Response> =>
      fetch(url() + path, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
    const response = await again();
    if (response.status !== 401) return response;
    token = await login();
    return again();
  };

  const ask: Steward['ask'] = async (method, path, body) => {
    const given = body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const response = await fetched(path, { method, ...given });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
  };

  const status = async (): Promise<ToldStatus> => {
    let told: ToldStatus | undefined;
    await until(async () => {
      const answer = await ask('GET', '/api/maintenance/db');
      if (answer.status === 200) told = answer.body as ToldStatus;
      return told !== undefined;
    }, 60_000);
    return told!;
  };

  const ended = async (): Promise<ToldStatus> => {
    let told = await status();
    await until(async () => !(told = await status()).running, 60_000);
    return told;
  };

  const send: Steward['send'] = async (body) => {
    const headers: Record<string, string> = body instanceof FormData ? {} : { 'content-type': 'application/octet-stream' };
    const response = await fetched('/api/maintenance/db/restore', { method: 'POST', headers, body });
    await response.text();
    return response.status;
  };

  return {
    ask,
    token: async () => (token ??= await login()),
    status,
    async backup() {
      const begun = await ask('POST', '/api/maintenance/db/backup');
      if (begun.status !== 202) throw new Error(`no backup: ${JSON.stringify(begun)}`);
      const { backup } = await ended();
      if (backup?.succeeded !== true) throw new Error(`no backup: ${backup?.statusMessage}`);
      return Buffer.from(await (await fetched('/api/maintenance/db/backup')).arrayBuffer());
    },
    send,
    async restore(archive) {
      const taken = await send(archive);
      if (taken !== 202) throw new Error(`no restore: ${taken}`);
      const { restore } = await ended();
      if (restore === undefined) throw new Error('no restore');
      return restore;
    },
  };
};
