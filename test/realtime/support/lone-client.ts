import { connect } from '@rollcall/client';

// A client in a process of its own, to be killed or stopped: `lone-client.js URL UUID TOKEN`.
const [url = '', uuid = '', token = ''] = process.argv.slice(2);
const client = await connect(url, { uuid, token }, { backoff: { minMs: 20, maxMs: 200 } });
client.on('state', (state) => state === 'ready' && process.stdout.write('ready\n'));
process.stdout.write('ready\n');
