import { expect } from 'chai';
import { sourcesUnder } from './support/imports.ts';

const exported = /^export (?:declare )?(?:async )?(?:abstract )?(?:const|let|function\*?|class|interface|type) (\w+)/gm;

/** The names that a source text exports where it declares them. */
const exportsOf = (text: string): readonly string[] => [...text.matchAll(exported)].map(([, name = '']) => name);

/** Names that more than one of these sources exports, each with the files. */
const doubles = (sources: ReadonlyMap<string, string>): readonly string[] => {
  const places = new Map<string, string[]>();
  for (const [path, text] of sources) for (const name of exportsOf(text)) places.set(name, [...(places.get(name) ?? []), path]);
  return [...places].filter(([, paths]) => paths.length > 1).map(([name, paths]) => `${name}: ${paths.join(', ')}`);
};

describe('the names of the server', () => {
  it('stand for one thing each: no name is exported by two files', () => {
    expect(doubles(sourcesUnder('server/src'))).to.deep.equal([]);
  });

  it('finds a name that two files export', () => {
    const sources = new Map([
      ['server/src/domain/a.ts', 'export interface Access {}\nexport const one = 1;'],
      ['server/src/data/b.ts', 'export type Access = string;\nexport async function two() {}'],
    ]);
    expect(doubles(sources)).to.deep.equal(['Access: server/src/domain/a.ts, server/src/data/b.ts']);
  });
});
