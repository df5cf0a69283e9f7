import type { Client } from '@rollcall/client';
import { loss } from '../../sdk/support/session.ts';
import type { Gate } from './gate.ts';

/** What a client was told, as short texts in the order in which it came. */
export const heardBy = (client: Client): string[] => {
  const heard: string[] = [];
  client.on('message', ({ payload, topic }) => topic !== 'device-status' && heard.push(`message ${payload as string | number}`));
  client.on(
    'config',
    ({ uuid, n }) => n !== undefined && heard.push(`${uuid === client.credentials.uuid ? 'own' : 'config'} ${n as number}`),
  );
  client.on('resync', ({ reason }) => heard.push(`resync ${reason}`));
  return heard;
};

/** Takes a client's way to the server away while something happens; resolves when it is back. */
export const away = async (client: Client, gate: Gate, happens: () => Promise<unknown>): Promise<void> => {
  const lost = loss(client);
  gate.shut();
  await lost;
  await happens();
  const back = new Promise<void>((resolve, reject) => {
    const stop = client.on('state', (state, reason) => {
      if (state === 'ready') resolve();
      else if (state === 'closed') reject(reason ?? new Error('closed'));
      else return;
      stop();
    });
  });
  gate.open();
  await back;
};
