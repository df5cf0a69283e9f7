import { createServer, type AddressInfo } from 'node:net';
import { Aedes } from 'aedes';
import { answerMemory } from './memory.ts';

/** What the registry's MQTT broker is measured against: aedes alone, everybody may do everything, and nothing is kept. */
const broker = await Aedes.createBroker();
const server = createServer((socket) => broker.handle(socket));
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`raw ready http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
process.on('SIGTERM', () => process.exit(0));
answerMemory();
