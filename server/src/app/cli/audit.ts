import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { RegistryError } from '@rollcall/client';
import type { Command } from 'commander';
import { verifyAudit, type AuditReport } from '../../operations/audit/audit-log.ts';
import { loadConfig } from '../config.ts';
import { createKeyRing } from '../../identity/keys/key-ring.ts';
import { createSecrets } from '../../identity/keys/secret-files.ts';
import type { Collections } from '../../domain/documents/index.ts';
import { openStore } from '../../store/open.ts';
import { withClient, withSession, type SessionOptions } from './session.ts';

/** Reads the audit log from the store that the registry's settings name. */
const verifyStore = async (): Promise<AuditReport> => {
  const { ROLLCALL_URL: _url, ROLLCALL_UUID: _uuid, ROLLCALL_TOKEN: _token, ...environment } = process.env;
  const config = loadConfig(environment);
  if (config.mongodbUrl === undefined && !existsSync(join(config.dataDir, 'rollcall.db')))
    throw new RegistryError('not-found', `There is no registry in ${config.dataDir}`);
  const secrets = await createSecrets(config);
  const { store, close } = await openStore<Collections>(config);
  try {
    return await verifyAudit(store, await (await createKeyRing(store, secrets)).key('audit'));
  } finally {
    await close();
  }
};

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

const say = ({ chains, entries, problems }: AuditReport): void => {
  for (const { kind, chain, number, message } of problems) console.log(`${kind}: chain ${chain}, entry ${number}: ${message}`);
  const read = `${counted(entries, 'entry', 'entries')} in ${counted(chains, 'chain', 'chains')}`;
  console.log(
    problems.length === 0 ? `${read}: nothing was changed, removed or reordered` : `${read}: ${problems.length} found wrong`,
  );
  if (problems.length > 0) process.exitCode = 1;
};

/**
 * `rollcall audit verify`: reports where the audit log was changed, truncated or reordered.
 * Exits with code 1 if it was.
 * With a token it asks a running registry, over `GET /api/audit/verify`.
 * Without one it reads the store that the settings name: `ROLLCALL_MONGODB_URL`, or
 * `ROLLCALL_DATA_DIR` while no registry uses it.
 */
export const addAudit = (program: Command): void => {
  const audit = program.command('audit').description('what was done and tried in a registry');
  withSession(audit.command('verify').description('say where the audit was changed, shortened or put into another order')).action(
    async (options: SessionOptions) => {
      if (options.token === undefined) say(await verifyStore());
      else say((await withClient(options, (client) => client.call('audit:verify', {}))) as AuditReport);
    },
  );
};
