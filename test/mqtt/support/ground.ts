import { overHttp, type Outcome, type Surface } from '../../identity/support/surfaces.ts';

/** The administrator's password in these tests. */
export const adminPassword = 'admin-of-the-tests';

/** Calls as the administrator, to set a stage. */
export interface Stage {
  call(event: string, input?: Record<string, unknown>): Promise<Outcome>;
  /** Makes a user with password `secret1` and these permissions on topics; answers his uuid. */
  user(username: string, permissions: Readonly<Record<string, 'read' | 'write' | 'readWrite'>>, more?: object): Promise<string>;
}

/** Logs the administrator in. */
export const openStage = async (url: string): Promise<Stage> => {
  const surface: Surface = overHttp(url);
  const { body } = await surface.call(undefined, 'session:login', { username: 'admin', password: adminPassword });
  const call: Stage['call'] = (event, input) => surface.call(String(body['token']), event, input);
  return {
    call,
    async user(username, permissions, more = {}) {
      const initialPermissions = Object.entries(permissions).map(([resource, operation]) => ({
        resource,
        operation,
        context: 'mqtt',
      }));
      const made = await call('users:create', { username, password: 'secret1', initialPermissions, ...more });
      if (made.outcome !== 'ok') throw new Error(JSON.stringify(made));
      return String(made.body['id']);
    },
  };
};
