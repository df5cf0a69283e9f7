import { expect } from 'chai';
import { importCycles, importsOf, sourcesUnder, type Import } from './support/imports.ts';

/** Each room of the server, and the rooms that it may import. Types count like values. */
const below = {
  common: [],
  mql: [],
  domain: ['common', 'mql'],
  store: ['common', 'mql'],
  data: ['common', 'mql', 'domain', 'store'],
  identity: ['common', 'mql', 'domain', 'store', 'data'],
  realtime: ['common', 'mql', 'domain', 'store', 'data', 'identity'],
  backup: ['common', 'mql', 'domain', 'store', 'data', 'identity'],
  operations: ['common', 'mql', 'domain', 'store', 'data', 'identity', 'realtime', 'backup'],
  transports: ['common', 'mql', 'identity', 'realtime', 'backup', 'operations'],
  mqtt: ['common', 'mql', 'domain', 'store', 'data', 'identity', 'realtime', 'operations'],
  app: 'everything',
} as const satisfies Readonly<Record<string, readonly string[] | 'everything'>>;

/** Packages that one place alone imports, types included. */
const keptTo: readonly (readonly [packages: RegExp, folder: string])[] = [
  [/^aedes(?:\/|$)/, 'server/src/mqtt/broker/'],
  [/^(?:socket\.io|engine\.io)(?:\/|$)/, 'server/src/transports/socketio/'],
  [/^(?:fastify|@fastify\/[\w-]+)$/, 'server/src/transports/http/'],
];

/** Rooms that use the BSON classes of the driver. All others import its types alone. */
const bsonRooms = new Set(['mql', 'store', 'data', 'backup', 'mqtt']);

/** Rooms that get time and randomness as arguments. */
const pureRooms = new Set(['domain', 'mql']);
const impure = /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(|\bset(?:Timeout|Interval|Immediate)\(/;
const collectionByName = /\bcollection(?:<[^>]*>)?\(\s*'/;

const contract = '@rollcall/client/contract';
const source = /^server\/src\/(?:(\w+)\/)?/;

const roomOf = (path: string): string | undefined => source.exec(path)?.[1];
const isRoom = (name: string | undefined): name is keyof typeof below => name !== undefined && Object.hasOwn(below, name);

/** Why a file of the server may not have this import; undefined if it may. */
const refusalOf = (path: string, { target, isType }: Import): string | undefined => {
  const room = roomOf(path);
  const other = roomOf(target);
  if (!isRoom(room)) return undefined;
  const allowed: readonly string[] | 'everything' = below[room];
  if (target.startsWith('server/src/') && other !== room && allowed !== 'everything' && !allowed.includes(other ?? ''))
    return `${room}/ may not import ${other ?? 'a file outside the rooms'}`;
  if (target.startsWith('@rollcall/') && target !== contract && (target !== '@rollcall/client' || room !== 'app'))
    return 'below app/ the contract is all that the server imports of the client';
  if (target === contract && room === 'mql') return 'mql/ imports nothing of ours';
  if (target === 'server/src/app/config.ts' && room !== 'app') return 'app/ alone reads config.ts';
  const keeper = keptTo.find(([packages]) => packages.test(target))?.[1];
  if (keeper !== undefined && !path.startsWith(keeper)) return `${keeper} alone imports ${target}`;
  if (target === 'mongodb' && !isType && !bsonRooms.has(room)) return 'the driver is imported as types here';
  return undefined;
};

/** Why a file of the client may not have this import; undefined if it may. */
const clientRefusalOf = (path: string, { target, isType }: Import): string | undefined => {
  if (target.startsWith('server/') || target.startsWith('@rollcall/server')) return 'the client may not import the server';
  const isContract = target.startsWith('client-sdk/src/contract/');
  if (isContract && !isType && !path.startsWith('client-sdk/src/contract/') && target !== 'client-sdk/src/contract/errors.ts')
    return 'at run time the client may use nothing of the contract but errors.ts';
  return undefined;
};

/** What a text of the server does that its room may not. */
const misdeedsOf = (path: string, text: string): readonly string[] => {
  const room = roomOf(path);
  if (!isRoom(room)) return [`${path} is in no room`];
  const [reached] = pureRooms.has(room) ? (impure.exec(text) ?? []) : [];
  return [
    ...(reached === undefined ? [] : [`${path} calls ${reached}: ${room}/ is pure`]),
    ...(room === 'store' && collectionByName.test(text) ? [`${path} names a collection: store/ knows none`] : []),
    ...(/\bnew MongoClient\(/.test(text) && path !== 'server/src/store/mongo.ts' ? [`${path} opens the driver`] : []),
  ];
};

/** Every breach of the rules in these sources, one line each. */
const breaches = (sources: ReadonlyMap<string, string>): readonly string[] => [
  ...[...sources].flatMap(([path, text]) => [
    ...(path.startsWith('server/') ? misdeedsOf(path, text) : []),
    ...importsOf(path, text).flatMap((one) => {
      const why = path.startsWith('server/') ? refusalOf(path, one) : clientRefusalOf(path, one);
      return why === undefined ? [] : [`${path} imports ${one.target}: ${why}`];
    }),
  ]),
  ...importCycles(sources).map((files) => `a cycle of imports: ${files.join(', ')}`),
];

/** A list that is spread into the arguments of a call that takes any number of them: one that is too long ends the process. */
const spread =
  /\.(?:push|unshift|concat)\((?:[^(){}]*, *)?\.\.\.|Math\.(?:max|min)\((?:[^(){}]*, *)?\.\.\.|fromC(?:harCode|odePoint)\(\.\.\.|\.splice\([^;)]*?\.\.\./;

/** Files whose spread lists are short by themselves: a client's 32 open requests, what is wrong with a configuration. */
const mayBeSpread: ReadonlySet<string> = new Set([
  'client-sdk/src/request-ids.ts',
  'server/src/app/config.ts',
  'server/src/app/cli/call.ts',
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

  it('lets imports of the server point to rooms below, without cycles of files', () => {
    const sources = sourcesUnder('server/src');
    expect(sources.size).to.be.above(50);
    expect(breaches(sources)).to.deep.equal([]);
  });

  it('keeps the client from the server, and from the contract at run time', () => {
    const sources = sourcesUnder('client-sdk/src');
    expect(sources.size).to.be.above(10);
    expect(breaches(sources)).to.deep.equal([]);
  });

  it('has a room for each row of the table', () => {
    const rooms = new Set([...sourcesUnder('server/src').keys()].map(roomOf));
    expect([...rooms].sort((one, other) => String(one).localeCompare(String(other)))).to.deep.equal(Object.keys(below).sort());
  });

  const samples: readonly (readonly [path: string, text: string, breach: RegExp])[] = [
    ['server/src/common/a.ts', `import type { Device } from '../domain/device.ts';`, /common\/ may not import domain/],
    ['server/src/mql/a.ts', `import { later } from '../common/clock.ts';`, /mql\/ may not import common/],
    ['server/src/mql/a.ts', `import { errors } from '@rollcall/client/contract';`, /nothing of ours/],
    ['server/src/domain/a.ts', `import { Repository } from '../data/repository/repository.ts';`, /domain\/ may not import data/],
    [
      'server/src/domain/a.ts',
      `import {\n  type Store,\n  openStore,\n} from '../store/open.ts';`,
      /domain\/ may not import store/,
    ],
    ['server/src/domain/a.ts', `export const at = () => Date.now();`, /is pure/],
    ['server/src/store/a.ts', `import type { Device } from '../domain/device.ts';`, /store\/ may not import domain/],
    ['server/src/store/a.ts', `const rows = db.collection('devices');`, /names a collection/],
    [
      'server/src/data/a.ts',
      `import type { Tokens } from '../identity/tokens/device-tokens.ts';`,
      /data\/ may not import identity/,
    ],
    ['server/src/data/a.ts', `import { MongoClient } from 'mongodb';\nconst db = new MongoClient('');`, /opens the driver/],
    [
      'server/src/identity/a.ts',
      `import type { Services } from '../operations/handler.ts';`,
      /identity\/ may not import operations/,
    ],
    ['server/src/identity/a.ts', `import { ObjectId } from 'mongodb';`, /as types/],
    ['server/src/realtime/a.ts', `import type { Jobs } from '../backup/jobs.ts';`, /realtime\/ may not import backup/],
    ['server/src/backup/a.ts', `import type { Live } from '../realtime/live/live.ts';`, /backup\/ may not import realtime/],
    [
      'server/src/operations/a.ts',
      `export { openHttp } from '../transports/http/http.ts';`,
      /operations\/ may not import transports/,
    ],
    ['server/src/operations/a.ts', `import type { Config } from '../app/config.ts';`, /operations\/ may not import app/],
    [
      'server/src/transports/http/a.ts',
      `import type { Subject } from '../../domain/access.ts';`,
      /transports\/ may not import domain/,
    ],
    ['server/src/transports/http/a.ts', `import type { Store } from '../../store/port.ts';`, /transports\/ may not import store/],
    ['server/src/transports/a.ts', `const app = await import('../app/create-registry.ts');`, /transports\/ may not import app/],
    ['server/src/transports/socketio/a.ts', `import type { FastifyRequest } from 'fastify';`, /transports\/http\/ alone/],
    ['server/src/transports/http/a.ts', `import type { Socket } from 'socket.io';`, /transports\/socketio\/ alone/],
    ['server/src/mqtt/a.ts', `import { Aedes } from 'aedes';`, /mqtt\/broker\/ alone/],
    ['server/src/mqtt/a.ts', `import type { Jobs } from '../backup/jobs.ts';`, /mqtt\/ may not import backup/],
    ['server/src/operations/a.ts', `import { connect } from '@rollcall/client';`, /contract is all/],
    ['server/src/a.ts', `export const a = 1;`, /in no room/],
    ['server/src/cellar/a.ts', `export const a = 1;`, /in no room/],
    ['client-sdk/src/a.ts', `import type { Registry } from '@rollcall/server';`, /may not import the server/],
    ['client-sdk/src/a.ts', `import { Device } from './contract/models.ts';`, /nothing of the contract/],
  ];
  for (const [path, text, breach] of samples) {
    it(`finds the breach in ${path}: ${text.replace(/\s+/g, ' ')}`, () => {
      const found = breaches(new Map([[path, text]]));
      expect(found).to.have.length(1);
      expect(found[0]).to.match(breach);
    });
  }

  it('finds a cycle of files, of types alone too', () => {
    const cycle = new Map([
      ['server/src/common/a.ts', `import type { B } from './b.ts';`],
      ['server/src/common/b.ts', `import { c } from './c.ts';`],
      ['server/src/common/c.ts', `export type { A } from './a.ts';`],
      ['server/src/common/d.ts', `import { a } from './a.ts';`],
    ]);
    expect(breaches(cycle)).to.deep.equal([
      'a cycle of imports: server/src/common/a.ts, server/src/common/b.ts, server/src/common/c.ts',
    ]);
  });

  it('allows what the rules allow', () => {
    const fine = new Map([
      [
        'server/src/data/store.ts',
        `import type * as port from '../store/port.ts';\nimport { RegistryError } from '${contract}';`,
      ],
      ['server/src/identity/a.ts', `import type { Filter } from 'mongodb';`],
      [
        'server/src/transports/http/a.ts',
        `import Fastify from 'fastify';\nimport type { Call } from '../../operations/pipeline.ts';`,
      ],
      ['server/src/app/cli/a.ts', `import { connect } from '@rollcall/client';\nimport { loadConfig } from '../config.ts';`],
      [
        'client-sdk/src/a.ts',
        `import type * as contract from './contract/index.ts';\nimport { errors } from './contract/errors.ts';`,
      ],
    ]);
    expect(breaches(fine)).to.deep.equal([]);
  });
});
