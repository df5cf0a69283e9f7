#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { RegistryError } from '@rollcall/client';
import { Command } from 'commander';
import { addAudit } from './audit.ts';
import { addCall } from './call.ts';
import { addListen } from './listen.ts';
import { addServe } from './serve.ts';
import { addToken } from './token.ts';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };

/** Prints an error in one sentence. The stack is printed only for debugging. */
const fail = (error: unknown): void => {
  process.exitCode = 1;
  if (error instanceof RegistryError) {
    console.error(`${error.code}: ${error.message}`);
    for (const { path, rule, message } of error.details ?? []) console.error(`  ${path || '/'} ${rule}: ${message}`);
    return;
  }
  const isDebugging = /^(debug|trace)$/.test(process.env['ROLLCALL_LOG_LEVEL'] ?? '');
  console.error(error instanceof Error ? (isDebugging ? error.stack : error.message) : String(error));
};

const program = new Command('rollcall').description('A realtime device registry.').version(version);
for (const add of [addServe, addCall, addListen, addToken, addAudit]) add(program);

try {
  await program.parseAsync();
} catch (error) {
  fail(error);
}
