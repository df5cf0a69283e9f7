import type { Client, ClientBase, Device, ErrorCode, Operations, RegistryError } from '@rollcall/client';
import { connect } from '@rollcall/client';

/** Proof by the compiler: what is right compiles, what is wrong does not. Never run. */

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <T extends true>(): T | undefined => undefined;

export const rightCalls = async (client: Client): Promise<void> => {
  const self = await client.whoami();
  holds<Same<typeof self, Device>>();
  const uuid: string = self.uuid;
  const anything: unknown = self['name'];
  await client.whoami({}, { timeoutMs: 100, signal: new AbortController().signal, reqId: client.reqId(), as: uuid });
  await client.register();
  const { token } = await client.register({ type: 'lamp', anything });
  holds<Same<typeof token, string>>();
  const { devices } = await client.devices({ type: 'lamp' });
  holds<Same<typeof devices, Device[]>>();
  const { status } = await client.update({ name: 'hall' }, { rev: 3 });
  holds<Same<typeof status, 200>>();
  const { createdAt } = await client.generateAndStoreToken({ uuid, tag: 'phone' });
  holds<Same<typeof createdAt, string>>();
  const { document } = await client.documents.update({ uuid, update: { $set: { name: 'hall' } } });
  holds<Same<typeof document, Device>>();
  await client.call(['who', 'ami'].join(''));
};

export const wrongCalls = async (client: Client): Promise<void> => {
  // @ts-expect-error no such operation
  await client.whoareyou();
  // @ts-expect-error no such operation in this area
  await client.documents.burn();
  // @ts-expect-error no such area
  await client.papers.update();
  // @ts-expect-error the input is needed
  await client.device();
  // @ts-expect-error a needed field is missing
  await client.device({});
  // @ts-expect-error a field has the wrong type
  await client.device({ uuid: 7 });
  // @ts-expect-error a field has the wrong type, also where others are free
  await client.update({ uuid: 7 });
  // @ts-expect-error a closed input has no other fields
  await client.authenticate({ uuid: 'lamp', token: 'secret', as: 'root' });
  // @ts-expect-error no such option
  await client.whoami({}, { timeout: 100 });
  // @ts-expect-error an option has the wrong type
  await client.whoami({}, { timeoutMs: '100' });
  // @ts-expect-error the answer has no such field
  (await client.status()).status;
  // @ts-expect-error a client is not made by hand
  client.state = 'ready';
  // @ts-expect-error exports of the contract that hold no operations are no areas
  client.RegistryError;
  // @ts-expect-error nor are its schemas
  client.Device;
  // @ts-expect-error nor is its error table
  client.errors;
};

export const listeners = (client: Client): void => {
  const stop: () => void = client.on('config', (device, { cursor }) => {
    holds<Same<typeof device, Device>>();
    holds<Same<typeof cursor, string | undefined>>();
  });
  stop();
  client.on('state', (state, reason) => {
    holds<Same<typeof state, 'connecting' | 'ready' | 'reconnecting' | 'closed'>>();
    holds<Same<typeof reason, RegistryError | undefined>>();
  });
  // @ts-expect-error no such event
  client.on('configuration', () => {});
  // @ts-expect-error a document is not a number
  client.on('config', (device: number) => device);
};

export const logins = async (): Promise<void> => {
  await connect('http://127.0.0.1:3000', { uuid: 'lamp', token: 'secret' });
  await connect('http://127.0.0.1:3000', { token: 'secret' });
  await connect('http://127.0.0.1:3000', {}, { autoSetOnline: false });
  await connect('http://127.0.0.1:3000');
  // @ts-expect-error a uuid needs its token
  await connect('http://127.0.0.1:3000', { uuid: 'lamp' });
  // @ts-expect-error no such credential
  await connect('http://127.0.0.1:3000', { password: 'secret' });
};

export const codes = ({ code }: RegistryError): ErrorCode => {
  // @ts-expect-error no such code
  if (code === 'Forbidden') throw new Error();
  return code;
};

/** No operation is hidden by a member of the client, none by a member of a function. */
holds<Same<keyof ClientBase & keyof Operations, never>>();
type Verbs = {
  [A in keyof Operations]: Operations[A] extends (...args: never[]) => unknown ? never : keyof Operations[A];
}[keyof Operations];
holds<Same<Extract<'update', Verbs>, 'update'>>();
holds<Same<Verbs & keyof CallableFunction, never>>();
