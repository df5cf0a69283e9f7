import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errors } from '@rollcall/client/contract';
import { settings } from '../server/src/app/config.ts';
import { asyncapi } from '../server/src/operations/describe/asyncapi.ts';
import { describeHttp } from '../server/src/app/pages.ts';
import { operations } from '../server/src/operations/operation-table.ts';

/**
 * Writes what follows from the code: `npm run docs`. With `--check` it writes nothing, says what is stale, and ends with 1 if anything is.
 *
 * `.env.example` and the README's table of settings come from `config.ts`, `docs/errors.md` from the error table, the README's routes,
 * `docs/openapi.json` and `docs/asyncapi.json` from the contract.
 */
const root = fileURLToPath(new URL('..', import.meta.url));

const notice = 'Written by `npm run docs`: do not change it by hand.';

const rows = Object.values(settings).map(({ variable, fallback, meaning }) => ({
  variable,
  meaning,
  fallback: Array.isArray(fallback)
    ? fallback.join(',')
    : typeof fallback === 'object'
      ? JSON.stringify(fallback)
      : String(fallback ?? ''),
}));

const environment = (): string =>
  [
    `# ${notice}`,
    '#',
    '# Every setting with its default. A copy named .env is read by `npm start`.',
    ...rows.map(({ variable, fallback, meaning }) => `\n# ${meaning}\n# ${variable}=${fallback}`),
    '',
  ].join('\n');

/** A Markdown table as prettier would write it. */
const table = (head: readonly string[], body: readonly (readonly string[])[]): string => {
  const lines = [head, ...body].map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(3, ...lines.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const [first = [], ...rest] = lines;
  return [line(first), line(widths.map((width) => '-'.repeat(width))), ...rest.map(line)].join('\n');
};

/** The names of all operations by area, for the client: the contract itself is not in its bundle. */
const clientNames = (): string => {
  const areas = new Map<string, string[]>();
  for (const name of operations.keys()) {
    const [area = '', verb] = name.split(':');
    const key = verb === undefined ? 'meshblu' : area;
    areas.set(key, [...(areas.get(key) ?? []), verb ?? area]);
  }
  const rows = [...areas].map(([area, verbs]) => `  ${area}: '${verbs.join(' ')}',`);
  return [
    `// ${notice}`,
    '',
    '/** The operations of the contract by area; those of `meshblu` are events without an area. */',
    'export const names = {',
    ...rows,
    '} as const;',
    '',
  ].join('\n');
};

const code = (text: string): string => (text === '' ? '' : `\`${text}\``);

const settingsTable = (): string =>
  table(
    ['variable', 'default', 'meaning'],
    rows.map(({ variable, fallback, meaning }) => [code(variable), code(fallback), meaning]),
  );

const routesTable = (): string =>
  table(
    ['event', 'what it does', 'HTTP'],
    [...operations.values()].map(({ name, row }) => [code(name), row.summary, row.http.map(code).join(', ')]),
  );

const errorsPage = (): string =>
  [
    '# Errors',
    '',
    `<!-- ${notice} -->`,
    '',
    'Every failed call ends with one of these codes. Branch on the code, never on the sentence. `retry` says whether the same call may',
    'succeed if it is sent again. How a failure travels is described in [protocol.md](protocol.md).',
    '',
    table(
      ['code', 'HTTP status', 'MQTT reason', 'retry', 'default sentence'],
      Object.entries(errors).map(([name, { http, mqtt, retry, message }]) => [
        code(name),
        String(http),
        `0x${mqtt.toString(16).padStart(2, '0')}`,
        retry ? 'yes' : 'no',
        message,
      ]),
    ),
    '',
    '`timeout`, `disconnected` and `aborted` are also made by our client itself, when no answer has come.',
    '',
  ].join('\n');

const json = (document: unknown): string => `${JSON.stringify(document, null, 2)}\n`;

/** The text with what stands between `<!-- name -->` and `<!-- /name -->` replaced. */
const between = (text: string, name: string, content: string): string => {
  const [opening, closing] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [start, end] = [text.indexOf(opening), text.indexOf(closing)];
  if (start < 0 || end < start) throw new Error(`README.md has no ${opening} … ${closing}`);
  return `${text.slice(0, start + opening.length)}\n\n${content}\n\n${text.slice(end)}`;
};

const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8').catch(() => '');

const readme = async (): Promise<string> =>
  between(between(await read('README.md'), 'settings', settingsTable()), 'routes', routesTable());

const written: Readonly<Record<string, string>> = {
  '.env.example': environment(),
  'README.md': await readme(),
  'docs/errors.md': errorsPage(),
  'client-sdk/src/names.ts': clientNames(),
  'docs/openapi.json': json(describeHttp(operations)),
  'docs/asyncapi.json': json(asyncapi(operations)),
};

/** The lines that only one of the two texts has, at most ten. */
const summary = (before: string, after: string): string => {
  const [old, fresh] = [before.split('\n'), after.split('\n')];
  const gone = old.filter((line) => !fresh.includes(line)).map((line) => `  - ${line}`);
  const come = fresh.filter((line) => !old.includes(line)).map((line) => `  + ${line}`);
  const lines = [...gone, ...come];
  return [...lines.slice(0, 10), ...(lines.length > 10 ? [`  … and ${lines.length - 10} lines more`] : [])].join('\n');
};

const isCheck = process.argv.includes('--check');
for (const [path, text] of Object.entries(written)) {
  const present = await read(path);
  if (present === text) continue;
  if (!isCheck) {
    await writeFile(join(root, path), text);
    console.log(`written: ${path}`);
    continue;
  }
  console.error(`stale: ${path} (npm run docs writes it)\n${summary(present, text)}`);
  process.exitCode = 1;
}
