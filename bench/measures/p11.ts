import { observe, describedServer, each } from '../observe.ts';
import type { HttpJob } from '../load/jobs.ts';
import type { Measure } from '../measure.ts';
import { startBareHttp, startRegistry } from '../processes.ts';
import { interleaved, ratio } from '../statistics.ts';
import { administrator, adminPassword } from '../administrator.ts';

/** Users that are asked for. */
const users = 500;

/** `GET /api/users/{id}` with a bearer token and its permission check, against a bare Fastify route that answers the same bytes. */
export const p11: Measure = async ({ scale, load, temporary, profiling }) => {
  const registry = await startRegistry({ dataDir: await temporary(), adminPassword }, profiling);
  const admin = await administrator(registry.url);
  const role = await admin.post('/api/roles', {
    name: 'operator',
    permissions: [{ resource: 'plant/#', operation: 'read', context: 'mqtt' }],
  });
  const ids: string[] = [];
  for (let index = 0; index < users; index += 1) {
    const { id } = await admin.post('/api/users', {
      username: `user${index}`,
      grantTypes: [{ method: 'certificate', isRequired: false }],
      roles: [role['id']],
    });
    ids.push(String(id));
  }
  const paths = ids.map((id) => `/api/users/${id}`);
  const text = await admin.text(paths[0] ?? '');
  const bare = await startBareHttp(text, profiling);
  const job: Omit<HttpJob, 'url'> = { kind: 'http', paths, headers: admin.headers, ...scale, connections: 64 };
  const rounds = await interleaved(scale.rounds, {
    bare: () => observe(load, bare, { ...job, url: bare.url }),
    ours: () => observe(load, registry, { ...job, url: registry.url }),
  });
  await Promise.all([bare.stop(), registry.stop()]);
  const texts = { ours: describedServer(rounds.ours), raw: describedServer(rounds.bare) };
  return [
    {
      id: 'P11',
      measure: `GET /api/users/{id} with bearer token ÷ bare Fastify route answering the same ${Buffer.byteLength(text)} bytes, 64 connections`,
      value: ratio(each(rounds.ours, 'perSecond'), each(rounds.bare, 'perSecond')),
      goal: { atLeast: 0.5 },
      ...texts,
    },
    {
      id: 'P11 processor',
      measure: 'the same by processor time of the server: bare ÷ ours',
      value: ratio(each(rounds.bare, 'processorUs'), each(rounds.ours, 'processorUs')),
      ...texts,
    },
  ];
};
