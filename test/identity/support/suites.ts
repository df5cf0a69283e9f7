import type { Config } from '@rollcall/server';
import { onBothStores, type Registries } from '../../support/registries.ts';
import { overHttp, overSockets, type Outcome, type Surface } from './surfaces.ts';

/** The administrator's password in these tests. */
const adminPassword = 'Admin-of-the-tests-1';

/** What a suite works with: a registry, a surface, and the administrator's token. */
export interface Ground {
  readonly url: () => string;
  /** As the administrator, or as whoever has this token; null: as nobody. */
  call(event: string, input?: Record<string, unknown>, token?: string | null): Promise<Outcome>;
  /** Logs in over this surface. */
  login(username: string, password: string): Promise<string>;
  /** Makes a user with password `secret1`, or the one given; answers his id and a token of his. */
  user(
    username: string,
    more?: Record<string, unknown>,
    password?: string,
  ): Promise<{ readonly id: string; readonly token: string }>;
  /** A name that nobody has yet. */
  name(prefix: string): string;
}

const textOf = (outcome: Outcome, key: string): string => {
  const value = outcome.body[key];
  if (typeof value !== 'string') throw new Error(`no ${key}: ${JSON.stringify(outcome)}`);
  return value;
};

/** The same suite over HTTP and over Socket.IO, on both stores. */
export const overBothSurfaces = (
  title: string,
  suite: (ground: Ground, registries: Registries) => void,
  settings: Partial<Config> = {},
): void => {
  onBothStores(title, (registries) => {
    for (const open of [overHttp, overSockets]) {
      describe(`over ${open === overHttp ? 'HTTP' : 'Socket.IO'}`, () => {
        let url = '';
        let surface: Surface;
        let admin = '';
        let count = 0;
        before(async () => {
          ({ url } = await registries.start({ adminPassword, ...settings }));
          surface = open(url);
          admin = textOf(await surface.call(undefined, 'session:login', { username: 'admin', password: adminPassword }), 'token');
        });
        after(() => surface.close());
        const call: Ground['call'] = (event, input, token = admin) => surface.call(token ?? undefined, event, input);
        const login: Ground['login'] = async (username, password) =>
          textOf(await call('session:login', { username, password }, null), 'token');
        suite(
          {
            url: () => url,
            call,
            login,
            async user(username, more = {}, password = 'secret1') {
              const id = textOf(await call('users:create', { username, password, ...more }), 'id');
              return { id, token: await login(username, password) };
            },
            name: (prefix) => `${prefix}${(count += 1)}`,
          },
          registries,
        );
      });
    }
  });
};
