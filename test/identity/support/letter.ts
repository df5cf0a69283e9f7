import type { Config, Registry } from '@rollcall/server';
import type { Registries } from '../../support/registries.ts';

/** What came back, as it was written. */
export interface Letter {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
  /** The body, if it is JSON. */
  readonly body: unknown;
}

/** What is sent: a value as JSON, or a text under a type of its own. */
export interface Sent {
  readonly json?: unknown;
  readonly text?: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** As the administrator by default. */
  readonly asNobody?: boolean;
}

const adminPassword = 'admin-of-the-tests';

/** Asks a registry of its own by HTTP, as the administrator; it can be started again on the same store. */
export const askHttp = async (registries: Registries, options: Partial<Config> = {}) => {
  let registry: Registry = await registries.start({ adminPassword, ...options });
  let token = '';
  const ask = async (method: string, path: string, sent: Sent = {}): Promise<Letter> => {
    const content = sent.text ?? (sent.json === undefined ? undefined : JSON.stringify(sent.json));
    const response = await fetch(registry.url + path, {
      method,
      headers: {
        ...sent.headers,
        ...(token !== '' && sent.asNobody !== true && { authorization: `Bearer ${token}` }),
        ...(content !== undefined && { 'content-type': sent.type ?? 'application/json' }),
      },
      ...(content !== undefined && { body: content }),
    });
    const [text, type] = [await response.text(), response.headers.get('content-type')];
    const body: unknown = type?.startsWith('application/json') === true && text !== '' ? JSON.parse(text) : undefined;
    return { status: response.status, type, text, body };
  };
  const login = async (): Promise<void> => {
    const { body } = await ask('POST', '/api/login', { json: { username: 'admin', password: adminPassword } });
    token = (body as { token: string }).token;
  };
  await login();
  return Object.assign(ask, {
    /** Where MQTT is served over TCP. */
    mqtt: () => registry.mqtt[0] ?? '',
    async restart(between: () => Promise<unknown> = () => Promise.resolve()): Promise<void> {
      await registry.close();
      await between();
      registry = await registries.again({ adminPassword, ...options });
    },
  });
};
