import type { Client, Login } from '@rollcall/client';
import { connect, RegistryError } from '@rollcall/client';
import type { Command } from 'commander';
import { Option } from 'commander';

/** Server address and credentials, from the command line or the environment. */
export interface SessionOptions {
  readonly url: string;
  readonly uuid?: string;
  readonly token?: string;
  readonly timeout: number;
}

const milliseconds = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new RegistryError('invalid-input', '--timeout takes a positive number of milliseconds');
  return value;
};

/** Adds the options for server address and credentials. */
export const withSession = (command: Command): Command =>
  command
    .addOption(new Option('--url <url>', 'address of the registry').env('ROLLCALL_URL').default('http://127.0.0.1:3000'))
    .addOption(new Option('--uuid <uuid>', 'device to be').env('ROLLCALL_UUID'))
    .addOption(new Option('--token <token>', 'its token').env('ROLLCALL_TOKEN'))
    .addOption(new Option('--timeout <ms>', 'time for connecting, and for a call').argParser(milliseconds).default(10_000));

const loginOf = ({ uuid, token }: SessionOptions): Login => {
  if (uuid !== undefined && token !== undefined) return { uuid, token };
  if (uuid !== undefined) throw new RegistryError('invalid-input', '--uuid needs --token');
  return token === undefined ? {} : { token };
};

/**
 * Connects, runs `use` and disconnects.
 * Without credentials it registers a new device, which is removed at the end.
 */
export const withClient = async <T>(options: SessionOptions, use: (client: Client) => Promise<T>): Promise<T> => {
  const { url, timeout } = options;
  const login = loginOf(options);
  const isTemporary = login.token === undefined;
  const client = await connect(url, login, {
    timeoutMs: timeout,
    callTimeoutMs: timeout,
    ...(isTemporary && { autoSetOnline: false }),
  });
  try {
    return await use(client);
  } finally {
    if (isTemporary && client.state === 'ready') await client.unregister({ uuid: client.credentials.uuid });
    client.close();
  }
};

/** Prints a value as JSON: indented for people, on one line for programs. */
export const print = (value: unknown): void => {
  console.log(JSON.stringify(value ?? null, null, process.stdout.isTTY ? 2 : undefined));
};
