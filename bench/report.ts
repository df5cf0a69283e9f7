import { readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { format, resolveConfig } from 'prettier';
import { met, type Result } from './measure.ts';
import { rounded } from './statistics.ts';

const results = new URL('results.json', import.meta.url);
const readme = new URL('README.md', import.meta.url);

/** A result and where and when it was taken. */
interface Kept extends Result {
  readonly met: boolean | null;
  readonly at: string;
  readonly machine: string;
}

const machine = (): string =>
  `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform}, Node ${process.versions.node}; load average ${rounded(loadavg()[1] ?? 0, 2)} at the end`;

const goalOf = ({ goal }: Result): string =>
  goal === undefined ? 'for information' : 'atLeast' in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`;

const verdictOf = (result: Result): string => {
  const reached = met(result);
  return reached === undefined ? '' : reached ? 'met' : '**short**';
};

const row = (result: Result): string =>
  `| ${result.id} | ${result.measure} | ${rounded(result.value)} | ${goalOf(result)} | ${verdictOf(result)} | ${result.ours} | ${result.raw} |`;

/** The results as a table in Markdown. */
export const table = (all: readonly Result[]): string =>
  ['| id | measure | value | goal | | ours | compared with |', '|---|---|---|---|---|---|---|', ...all.map(row)].join('\n');

const before = async (): Promise<readonly Kept[]> => {
  try {
    return (JSON.parse(await readFile(results, 'utf8')) as { readonly results: readonly Kept[] }).results;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
};

/** The measure that a line belongs to: `P2` of `P2 embedded`. */
const measureOf = ({ id }: Result): string => id.split(' ', 1)[0] ?? id;

/** Puts the results in the place of those of the same measures, in `results.json` and in the README's table. */
export const keep = async (taken: readonly Result[]): Promise<void> => {
  const renewed = new Set(taken.map(measureOf));
  const at = new Date().toISOString().slice(0, 10);
  const fresh = taken.map((result): Kept => ({
    ...result,
    value: rounded(result.value),
    met: met(result) ?? null,
    at,
    machine: machine(),
  }));
  const all = [...(await before()).filter((kept) => !renewed.has(measureOf(kept))), ...fresh].toSorted((a, b) =>
    measureOf(a).localeCompare(measureOf(b)),
  );
  await writeFile(results, `${JSON.stringify({ results: all }, null, 2)}\n`);
  const machines = [...new Set(all.map((kept) => `${kept.at}: ${kept.machine}`))].map((text) => `- ${text}`).join('\n');
  const text = await readFile(readme, 'utf8');
  const filled = text.replace(
    /(<!-- results -->)[\s\S]*(<!-- end of results -->)/,
    (_, begin: string, end: string) => `${begin}\n\n${table(all)}\n\nTaken on:\n\n${machines}\n\n${end}`,
  );
  await writeFile(readme, await format(filled, { ...(await resolveConfig(readme)), parser: 'markdown' }));
};
