#!/usr/bin/env node
// The command `rollcall`. npm links this file at installation, before anything is built; in a clone it builds what is missing.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const server = fileURLToPath(new URL('..', import.meta.url));
const main = join(server, 'dist', 'app', 'cli', 'main.js');

/** Builds client and server; what the compiler says goes to standard error. */
const build = () => {
  let compiler;
  try {
    compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  } catch {
    console.error('rollcall is not built, and there is no TypeScript compiler to build it with. Run: npm ci && npm run build');
    process.exit(1);
  }
  console.error('rollcall is not built yet: building it, which takes up to a minute');
  try {
    execFileSync(process.execPath, [compiler, '-b', server], { stdio: ['ignore', 2, 2] });
  } catch {
    console.error('rollcall could not be built');
    process.exit(1);
  }
};

if (!existsSync(main)) build();
await import('../dist/app/cli/main.js');
