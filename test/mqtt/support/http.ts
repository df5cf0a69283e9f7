/** An answer over HTTP; `body` is its JSON, or its text. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** `Authorization` of a name and a password. */
export const basic = (name: string, password: string): string => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

/** Asks once, without following anything. A body that is no text goes as JSON. */
export const ask = async (
  url: string,
  method: string,
  { body, authorization, type }: { readonly body?: unknown; readonly authorization?: string; readonly type?: string } = {},
): Promise<Reply> => {
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    headers: {
      ...(authorization !== undefined && { authorization }),
      ...((body !== undefined || type !== undefined) && { 'content-type': type ?? 'application/json' }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return { status: response.status, headers: response.headers, body: isJson ? (JSON.parse(text) as unknown) : text };
};
