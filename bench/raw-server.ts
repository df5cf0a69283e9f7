import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MongoClient } from 'mongodb';
import { Server } from 'socket.io';
import { deviceUuid } from './population.ts';
import { answerMemory } from './memory.ts';

/**
 * What the registry is measured against: Socket.IO with its own parser, no identity, no check, no store.
 *
 * `relay` passes a message on to a room. `device` is acknowledged with the value that the first argument gives as JSON. `update` and `devices` do with the driver
 * alone, on the database that the second argument names, what the event asks for.
 */
const [answer = 'null', mongodbUrl] = process.argv.slice(2);
const value = JSON.parse(answer) as unknown;
const client = mongodbUrl === undefined ? undefined : await MongoClient.connect(mongodbUrl, { maxPoolSize: 50 });
const devices = client?.db().collection('devices', { writeConcern: { w: 'majority', journal: true } });

type Acknowledge = (value: unknown) => void;

const http = createServer();
const io = new Server(http, { serveClient: false, transports: ['websocket'], perMessageDeflate: false });
io.on('connection', (socket) => {
  socket.on('device', (_input: unknown, _options: unknown, acknowledge: Acknowledge) => acknowledge(value));
  socket.on('join', (room: string, acknowledge: Acknowledge) => {
    void socket.join(room);
    acknowledge(null);
  });
  socket.on('relay', (room: string, message: unknown, acknowledge: Acknowledge) => {
    io.to(room).emit('message', message);
    acknowledge(null);
  });
  socket.on('update', ({ uuid, ...changes }: { uuid?: string }, _options: unknown, acknowledge: Acknowledge) => {
    const filter = { uuid: uuid ?? deviceUuid(0) };
    devices?.updateOne(filter, { $set: changes }).then(
      () => acknowledge({ uuid: filter.uuid, status: 200 }),
      (error: unknown) => acknowledge({ error: String(error) }),
    );
  });
  socket.on('devices', (query: Record<string, unknown>, _options: unknown, acknowledge: Acknowledge) => {
    devices
      ?.find(query)
      .toArray()
      .then(
        (found) => acknowledge({ devices: found }),
        (error: unknown) => acknowledge({ error: String(error) }),
      );
  });
});
http.listen(0, '127.0.0.1', () => {
  process.stdout.write(`raw ready http://127.0.0.1:${(http.address() as AddressInfo).port}\n`);
});
process.on('SIGTERM', () => process.exit(0));
answerMemory();
