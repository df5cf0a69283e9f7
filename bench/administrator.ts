/** The password of `admin` in registries that are measured. */
export const adminPassword = 'admin of the benchmark';

/** The administrator of a registry, logged in. */
export interface Administrator {
  readonly headers: Readonly<Record<string, string>>;
  post(path: string, body: unknown): Promise<Readonly<Record<string, unknown>>>;
  text(path: string): Promise<string>;
}

/** Logs the administrator in. */
export const administrator = async (url: string): Promise<Administrator> => {
  const post = async (path: string, body: unknown, headers: Readonly<Record<string, string>>) => {
    const init = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const response = await fetch(url + path, init);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Readonly<Record<string, unknown>>;
  };
  const { token } = await post('/api/login', { username: 'admin', password: adminPassword, expireTimeInHours: 10 }, {});
  const headers = { authorization: `Bearer ${String(token)}` };
  return {
    headers,
    post: (path, body) => post(path, body, headers),
    text: async (path) => (await fetch(url + path, { headers })).text(),
  };
};
