import { RegistryError } from '@rollcall/client';
import * as contract from '@rollcall/client/contract';
import type { Command } from 'commander';
import { unknownName } from './near.ts';
import type { SessionOptions } from './session.ts';
import { print, withClient, withSession } from './session.ts';

const isRow = (value: unknown): value is contract.Row =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'operation';

/** All rows of the contract by event name. */
const rows: ReadonlyMap<string, contract.Row> = new Map(
  Object.entries(contract)
    .filter(([, area]) => typeof area === 'object' && area !== null)
    .flatMap(([area, members]) =>
      Object.entries(members as Readonly<Record<string, unknown>>)
        .filter((entry): entry is [string, contract.Row] => isRow(entry[1]))
        .map(([verb, row]): [string, contract.Row] => [area === 'meshblu' ? verb : `${area}:${verb}`, row]),
    ),
);

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json) as unknown;
  } catch (cause) {
    throw new RegistryError('invalid-input', `The input is not JSON: ${json}`, { cause });
  }
};

const list = (): string => {
  const names = [...rows.keys()];
  const width = Math.max(...names.map(({ length }) => length));
  return ['', 'Events:', ...[...rows].map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)].join('\n');
};

/**
 * `rollcall call <event> [json]`: makes one call and prints its answer.
 * Every row of the contract can be called.
 */
export const addCall = (program: Command): void => {
  withSession(program.command('call <event> [json]').description('make one call and print its answer as JSON'))
    .option('--as <uuid>', 'act for this device')
    .option('--rev <n>', 'revision that the document must have', Number)
    .addHelpText('after', list)
    .action(async (event: string, json: string | undefined, options: SessionOptions & { as?: string; rev?: number }) => {
      if (!rows.has(event)) throw new RegistryError('unknown-event', unknownName('event', event, [...rows.keys()]));
      const input = json === undefined ? {} : parse(json);
      print(await withClient(options, (client) => client.call(event, input, { as: options.as, rev: options.rev })));
    });
};
