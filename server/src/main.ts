import { createRegistry } from './app.ts';
import { ConfigError, loadConfig } from './config.ts';

/** How long a shutdown may take. */
const shutdownMs = 10_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

try {
  if (process.env['NODE_ENV'] === 'production' && /socket\.io|engine/.test(process.env['DEBUG'] ?? '')) {
    throw new ConfigError('DEBUG: the debug output of Socket.IO prints tokens; it is refused in production');
  }
  const { url, mqtt, firstPassword, close } = await createRegistry(loadConfig(process.env));
  say(`rollcall ready ${url}`);
  for (const address of mqtt) say(`MQTT: ${address}`);
  if (firstPassword?.password !== undefined) say(`The first administrator: user admin, password ${firstPassword.password}`);
  if (firstPassword?.file !== undefined) say(`The password of admin is kept in ${firstPassword.file} until it is changed.`);
  say(`Log in as admin: curl -s ${url}/api/login -H 'content-type: application/json' -d '{"username":"admin","password":"..."}'`);
  say(`Try next: curl -s -X POST ${url}/devices -H 'content-type: application/json' -d '{"type":"lamp"}'`);

  let closing = false;
  const shutDown = (): void => {
    if (closing) return;
    closing = true;
    setTimeout(() => process.exit(1), shutdownMs).unref();
    void close().then(() => process.exit(0));
  };
  process.on('SIGTERM', shutDown);
  process.on('SIGINT', shutDown);
} catch (error) {
  process.stderr.write(`rollcall did not start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
