import { createRegistry, loadConfig } from '@rollcall/server';
import { answerMemory } from './memory.ts';

// A registry like `server/dist/app/main.js` in a process that says how much memory it takes.
const { url, close } = await createRegistry(loadConfig(process.env));
process.stdout.write(`rollcall ready ${url}\n`);
process.on('SIGTERM', () => void close().then(() => process.exit(0)));
answerMemory();
