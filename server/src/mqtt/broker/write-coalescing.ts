import type { Client } from 'aedes';
import { Socket } from 'node:net';
import { openTurnEnds } from '../../common/end-of-turn.ts';

const gathered = new WeakSet<Client>();
const turnEnds = openTurnEnds();
const nextTurnEnds = openTurnEnds();

/** Writes the data that is being coalesced. */
export const flushWrites = (client: Client): void => {
  if (gathered.delete(client)) client.conn.uncork();
};

/**
 * Lets what goes out to a client from now to the end of the next turn of the event loop go out together: aedes writes what it forwards a turn
 * later, and by itself each packet would cost a call of the kernel. What goes through websockets is not gathered: each packet is a frame there.
 */
export const coalesceWrites = (client: Client): void => {
  if (gathered.has(client) || !(client.conn instanceof Socket)) return;
  gathered.add(client);
  client.conn.cork();
  turnEnds(() => nextTurnEnds(() => flushWrites(client)));
};
