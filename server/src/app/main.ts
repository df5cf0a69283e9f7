import { pino } from 'pino';
import { createRegistry } from './create-registry.ts';
import { closeAtEnd } from './cli/shutdown.ts';
import { ConfigError, loadConfig } from './config.ts';

const say = (text: string): void => void process.stdout.write(`${text}\n`);

try {
  if (process.env['NODE_ENV'] === 'production' && /socket\.io|engine/.test(process.env['DEBUG'] ?? '')) {
    throw new ConfigError('DEBUG: the debug output of Socket.IO prints tokens; it is refused in production');
  }
  const config = loadConfig(process.env);
  const { url, mqtt, firstPassword, close } = await createRegistry(config);
  closeAtEnd(close, pino({ level: config.logLevel }, pino.destination({ fd: 2, sync: true })));
  say(`rollcall ready ${url}`);
  for (const address of mqtt) say(`MQTT: ${address}`);
  if (firstPassword?.password !== undefined) say(`The first administrator: user admin, password ${firstPassword.password}`);
  if (firstPassword?.file !== undefined) say(`The password of admin is kept in ${firstPassword.file} until it is changed.`);
  say(`Log in as admin: curl -s ${url}/api/login -H 'content-type: application/json' -d '{"username":"admin","password":"..."}'`);
  say(`Try next: curl -s -X POST ${url}/devices -H 'content-type: application/json' -d '{"type":"lamp"}'`);
} catch (error) {
  process.stderr.write(`rollcall did not start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
