import helmet from '@fastify/helmet';
import Fastify from 'fastify';

/** Content security policy of answers for programs: nothing is allowed. */
export const closedPolicy = {
  'default-src': ["'none'"],
  'frame-ancestors': ["'none'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
};

/**
 * The headers that helmet gives to every answer. They are constant, so helmet runs once and not for
 * each request.
 */
export const protectiveHeaders = async (): Promise<Readonly<Record<string, string>>> => {
  const app = Fastify();
  const bare = Fastify();
  await app.register(helmet, { contentSecurityPolicy: { useDefaults: false, directives: closedPolicy } });
  for (const one of [app, bare]) one.get('/', (_request, reply) => reply.send(''));
  const [guarded, without] = await Promise.all([app.inject('/'), bare.inject('/')]);
  await Promise.all([app.close(), bare.close()]);
  const added = Object.entries(guarded.headers).filter(([name]) => !(name in without.headers));
  return Object.fromEntries(added.map(([name, value]) => [name, String(value)]));
};
