import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';

/** What the registry's HTTP side is measured against: one Fastify route that answers the text that the first argument gives, and asks nobody. */
const [text = ''] = process.argv.slice(2);
const app = Fastify();
app.get('/api/users/:id', (_request, reply) => reply.type('application/json; charset=utf-8').send(text));
await app.listen({ host: '127.0.0.1', port: 0 });
process.stdout.write(`bare ready http://127.0.0.1:${(app.server.address() as AddressInfo).port}\n`);
process.on('SIGTERM', () => process.exit(0));
