import type { Client, ConnectOptions, ErrorCode, Login, RegistryError } from '@rollcall/client';
import { connect } from '@rollcall/client';
import type { Stub } from './stub.ts';
import { startStub } from './stub.ts';

/** A device that the stub accepts. */
export const lamp: Login = { uuid: 'lamp', token: 'secret' };

/** Short pauses, so that no test waits for them. */
export const quick = { backoff: { minMs: 5, maxMs: 20 } } as const;

/** Everything that one test opened. */
export interface Session {
  readonly stub: Stub;
  readonly open: (login?: Login, options?: ConnectOptions) => Promise<Client>;
  /** Cuts every connection, and waits until this client has noticed. */
  readonly lose: (client: Client) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Waits until a client has lost its connection. Has to be called before that can happen: it may be back in no time. */
export const loss = (client: Client): Promise<void> =>
  new Promise((resolve) => {
    const stop = client.on('state', (state) => {
      if (state !== 'reconnecting') return;
      stop();
      resolve();
    });
  });

/** A stub, and clients that are closed together with it. */
export const session = async (): Promise<Session> => {
  const stub = await startStub();
  const clients: Client[] = [];
  const open = async (login: Login = lamp, options: ConnectOptions = {}): Promise<Client> => {
    const client = await connect(stub.url, login, { ...quick, ...options });
    clients.push(client);
    return client;
  };
  const close = async (): Promise<void> => {
    for (const client of clients) client.close();
    await stub.close();
  };
  const lose = (client: Client): Promise<void> => {
    const lost = loss(client);
    stub.cut();
    return lost;
  };
  return { stub, open, lose, close };
};

/** The error that a call is rejected with. */
export const refusal = (call: Promise<unknown>): Promise<RegistryError> =>
  call.then(
    () => {
      throw new Error('The call was resolved');
    },
    (error: RegistryError) => error,
  );

/** The code that a call is rejected with. */
export const refusalCode = async (call: Promise<unknown>): Promise<ErrorCode> => (await refusal(call)).code;
