import * as contract from '@rollcall/client/contract';
import type { TableOperation } from '../operation-table.ts';

type Json = Readonly<Record<string, unknown>>;

const key = (event: string): string => event.replace(':', '_');

/**
 * The AsyncAPI 3.0 document of all events: those clients emit, with acknowledgements, and those the
 * server sends.
 */
export const asyncapi = (operations: ReadonlyMap<string, TableOperation>): Json => {
  const messages: Record<string, Json> = {};
  const described: Record<string, Json> = {};
  for (const { name, row } of operations.values()) {
    messages[key(name)] = { name, summary: row.summary, payload: row.input, 'x-acknowledgement': row.output };
    described[key(name)] = {
      action: 'receive',
      channel: { $ref: '#/channels/socket' },
      summary: row.summary,
      messages: [{ $ref: `#/channels/socket/messages/${key(name)}` }],
    };
  }
  for (const publication of Object.values(contract.publications)) {
    messages[publication.event] = { name: publication.event, summary: publication.summary, payload: publication.payload };
    described[`send_${publication.event}`] = {
      action: 'send',
      channel: { $ref: '#/channels/socket' },
      summary: publication.summary,
      messages: [{ $ref: `#/channels/socket/messages/${publication.event}` }],
    };
  }
  return {
    asyncapi: '3.0.0',
    info: { title: 'Rollcall', version: '0.1.0', description: 'A realtime device registry that speaks the Meshblu API.' },
    channels: { socket: { address: '/socket.io/', messages } },
    operations: described,
  };
};
