import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { root, sourcesUnder } from './support/imports.ts';

/** The documents of the reference, by the prefix of their ids. */
const documents: Readonly<Record<string, string>> = {
  MS: 'meshblu-socketio.md',
  DM: 'domain-model.md',
  AC: 'access-control.md',
  AT: 'access-tokens.md',
  MT: 'mqtt-tokens.md',
  MC: 'mqtt-clients.md',
  RL: 'promises.md',
  ME: 'mechanisms.md',
};

const id = /\b(?:MS|DM|AC|AT|MT|MC|RL|ME)-\d+(?:\.\d+)*\b/g;

const read = (name: string): string => readFileSync(join(root, 'docs/reference', name), 'utf8');

/** The ids of a document's rules, in the order of the text. */
const rulesOf = (text: string): readonly string[] =>
  [...text.matchAll(/^\*\*([A-Z]{2}-[\d.]+)\*\* /gm)].map(([, rule = '']) => rule);

/** The ids of a document's sections. */
const sectionsOf = (prefix: string, text: string): readonly string[] =>
  [...text.matchAll(/^#{2,3} (\d+(?:\.\d+)*) /gm)].map(([, section = '']) => `${prefix}-${section}`);

const rules = Object.values(documents).flatMap((name) => rulesOf(read(name)));
const sections = Object.entries(documents).flatMap(([prefix, name]) => sectionsOf(prefix, read(name)));

/** The sources that cite rules, by path; this test names ids of its own. */
const sources = ['server/src', 'client-sdk/src', 'test']
  .flatMap((folder) => [...sourcesUnder(folder)])
  .filter(([path]) => path !== 'test/reference.test.ts');

describe('the reference', () => {
  it('has a document for every prefix, and lists each in its index', () => {
    const index = read('README.md');
    expect(readdirSync(join(root, 'docs/reference')).sort()).to.have.members(['README.md', ...Object.values(documents)]);
    expect(Object.values(documents).filter((name) => !index.includes(`(${name})`))).to.deep.equal([]);
  });

  it('gives each id once, under the heading of its section', () => {
    const all = [...rules, ...sections];
    expect(all.filter((each, place) => all.indexOf(each) !== place)).to.deep.equal([]);
    expect(rules.filter((rule) => !sections.includes(rule.slice(0, rule.lastIndexOf('.'))))).to.deep.equal([]);
  });

  it('has every rule that the code and the tests cite', () => {
    const known = new Set([...rules, ...sections]);
    const unknown = sources.flatMap(([path, text]) =>
      [...text.matchAll(id)].filter(([cited]) => !known.has(cited)).map(([cited]) => `${path}: ${cited}`),
    );
    expect(unknown).to.deep.equal([]);
  });

  it('has every rule that its own documents cite', () => {
    const known = new Set([...rules, ...sections]);
    const unknown = Object.values(documents).flatMap((name) =>
      [...read(name).matchAll(id)].filter(([cited]) => !known.has(cited)).map(([cited]) => `${name}: ${cited}`),
    );
    expect(unknown).to.deep.equal([]);
  });

  it('numbers the vectors of each document without a gap', () => {
    const numbersOf = (name: string): readonly number[] => {
      const [, vectors = ''] = read(name).split(/^## \d+ Test vectors$/m);
      return [...vectors.matchAll(/^\| (\d+) +\|/gm)].map(([, number]) => Number(number));
    };
    const counts = Object.values(documents).map((name) => {
      const numbers = numbersOf(name);
      expect(numbers, name).to.deep.equal(numbers.map((_, place) => place + 1));
      return numbers.length;
    });
    expect(counts.filter((count) => count > 0)).to.have.length(5);
  });

  after('print the rules that no test cites', () => {
    const cited = new Set(sources.filter(([path]) => path.startsWith('test/')).flatMap(([, text]) => text.match(id) ?? []));
    const uncited = rules.filter((rule) => !cited.has(rule) && !cited.has(rule.slice(0, rule.lastIndexOf('.'))));
    console.log(`    ${uncited.length} of ${rules.length} rules are cited by no test: ${uncited.join(' ')}`);
  });
});
