import { expect } from 'chai';
import { importsOf, sourcesUnder, type Import } from './support/imports.ts';

const contract = '@rollcall/client/contract';

/** The layers of the server, from the bottom up: each may use those below it and itself. What no pattern names is kernel. */
const layers = [
  ['documents', /^server\/src\/documents\//],
  ['domain', /^server\/src\/domain\//],
  ['kernel', /^server\/src\//],
  ['operations', /^server\/src\/operations\//],
  ['pipeline', /^server\/src\/(?:pipeline|registry)\.ts$|^server\/src\/describe\//],
  ['transports', /^server\/src\/(?:transports\/|pages\.ts$|metrics\.ts$)/],
  ['app', /^server\/src\/(?:app|index|mqtt|realtime)\.ts$/],
  ['programs', /^server\/src\/(?:main\.ts$|cli\/)/],
] as const;

type Layer = (typeof layers)[number][0];

const rank = (layer: Layer): number => layers.findIndex(([name]) => name === layer);

const layerOf = (path: string): Layer | undefined => {
  const matching = layers.filter(([, pattern]) => pattern.test(path)).map(([name]) => name);
  return matching.find((name) => name !== 'kernel') ?? matching[0];
};

/** What a pure layer may not reach for: time and chance come as arguments. */
const impure = /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(|\bset(?:Timeout|Interval|Immediate)\(/;

const isOurs = (target: string): boolean => target.startsWith('server/') || target.startsWith('@rollcall/');

/** Why one import of a file breaks a rule; undefined if none. */
const wrongIn = (path: string, { target, isType }: Import): string | undefined => {
  const [own, other] = [layerOf(path), layerOf(target)];
  if (path.startsWith('client-sdk/')) {
    if (target.startsWith('server/') || target.startsWith('@rollcall/server')) return 'the client may not know the server';
    const isContract = target.startsWith('client-sdk/src/contract/');
    if (isContract && !isType && !path.startsWith('client-sdk/src/contract/') && target !== 'client-sdk/src/contract/errors.ts')
      return 'at run time the client may use nothing of the contract but errors.ts';
    return undefined;
  }
  if (own === 'documents' && isOurs(target) && other !== 'documents') return 'documents/ may use nothing of ours but itself';
  if (own === 'transports' && other === 'domain' && target !== 'server/src/domain/properties.ts' && path.includes('/transports/'))
    return 'transports/ may not know domain/';
  if (own === 'transports' && target.startsWith('server/src/store/') && path.includes('/transports/'))
    return 'transports/ may not know store/';
  if (isType) return undefined;
  if (own === 'domain' && isOurs(target) && target !== contract && other !== 'documents' && other !== 'domain')
    return 'domain/ may use contract, documents/ and types only';
  if (own !== undefined && other !== undefined && rank(other) > rank(own)) return `${own} may not use ${other}`;
  return undefined;
};

/** Every breach of the rules in these sources, one line each. */
const breaches = (sources: ReadonlyMap<string, string>): readonly string[] =>
  [...sources].flatMap(([path, text]) => {
    const imports = importsOf(path, text).flatMap((one) => {
      const why = wrongIn(path, one);
      return why === undefined ? [] : [`${path} imports ${one.target}: ${why}`];
    });
    const layer = layerOf(path);
    const [reached] = layer === 'domain' || layer === 'documents' ? (impure.exec(text) ?? []) : [];
    return reached === undefined ? imports : [...imports, `${path} calls ${reached}: ${layer}/ is pure`];
  });

/** A list that is spread into the arguments of a call that takes any number of them: one that is too long ends the process. */
const spread =
  /\.(?:push|unshift|concat)\((?:[^(){}]*, *)?\.\.\.|Math\.(?:max|min)\((?:[^(){}]*, *)?\.\.\.|fromC(?:harCode|odePoint)\(\.\.\.|\.splice\([^;)]*?\.\.\./;

/** Lists that are short by themselves: a client's 32 open requests, what is wrong with a configuration. */
const mayBeSpread: ReadonlySet<string> = new Set([
  'client-sdk/src/request-ids.ts',
  'server/src/config.ts',
  'server/src/cli/call.ts',
]);

describe('the architecture', () => {
  it('spreads no list that a client can make long into an argument list (S1)', () => {
    const found = [...sourcesUnder('server/src'), ...sourcesUnder('client-sdk/src')].flatMap(([path, text]) =>
      spread.test(text) && !mayBeSpread.has(path) ? [path] : [],
    );
    expect(found).to.deep.equal([]);
    for (const sample of [
      'all.push(...more)',
      'all.push(first, ...more)',
      'Math.max(0, ...seen)',
      'Math.min(...found.map((one) => one.at))',
    ])
      expect(sample).to.match(spread);
  });

  it('lets imports point one way in the server', () => {
    const sources = sourcesUnder('server/src');
    expect(sources.size).to.be.above(50);
    expect(breaches(sources)).to.deep.equal([]);
  });

  it('keeps the client from the server, and from the contract at run time', () => {
    const sources = sourcesUnder('client-sdk/src');
    expect(sources.size).to.be.above(10);
    expect(breaches(sources)).to.deep.equal([]);
  });

  const samples: readonly (readonly [path: string, text: string, breach: RegExp])[] = [
    ['server/src/domain/a.ts', `import { openDoor } from '../door.ts';`, /domain\/ may use/],
    ['server/src/domain/a.ts', `import {\n  type Store,\n  openStore,\n} from '../store/open.ts';`, /domain\/ may use/],
    ['server/src/domain/a.ts', `export const at = () => Date.now();`, /is pure/],
    ['server/src/documents/a.ts', `import type { Device } from '../domain/device.ts';`, /nothing of ours/],
    ['server/src/operations/a.ts', `import { openPipeline } from '../pipeline.ts';`, /operations may not use pipeline/],
    ['server/src/door/a.ts', `import { tokens } from '../operations/tokens.ts';`, /kernel may not use operations/],
    ['server/src/pipeline.ts', `export { openHttp } from './transports/http.ts';`, /pipeline may not use transports/],
    ['server/src/transports/a.ts', `import type { Subject } from '../domain/access.ts';`, /may not know domain/],
    ['server/src/transports/socket/a.ts', `import type { Store } from '../../store/port.ts';`, /may not know store/],
    ['server/src/transports/a.ts', `const app = await import('../app.ts');`, /transports may not use app/],
    ['server/src/app.ts', `import './main.ts';`, /app may not use programs/],
    ['client-sdk/src/a.ts', `import type { Registry } from '@rollcall/server';`, /may not know the server/],
    ['client-sdk/src/a.ts', `import { Device } from './contract/models.ts';`, /nothing of the contract/],
  ];
  for (const [path, text, breach] of samples) {
    it(`finds the breach in ${path}: ${text.replace(/\s+/g, ' ')}`, () => {
      const found = breaches(new Map([[path, text]]));
      expect(found).to.have.length(1);
      expect(found[0]).to.match(breach);
    });
  }

  it('allows what the rules allow', () => {
    const fine = new Map([
      [
        'server/src/domain/a.ts',
        `import type { Store } from '../store/port.ts';\nimport { errors } from '@rollcall/client/contract';`,
      ],
      [
        'server/src/transports/a.ts',
        `import { isProperties } from '../domain/properties.ts';\nimport type { Call } from '../pipeline.ts';`,
      ],
      ['server/src/main.ts', `import { createRegistry } from './app.ts';`],
      [
        'client-sdk/src/a.ts',
        `import type * as contract from './contract/index.ts';\nimport { errors } from './contract/errors.ts';`,
      ],
    ]);
    expect(breaches(fine)).to.deep.equal([]);
  });
});
