import { connect, RegistryError } from '@rollcall/client';
import { expect } from 'chai';
import type { Session } from './support/session.ts';
import { refusal, session } from './support/session.ts';

class Point {
  readonly x = 1;
}

const cycle: Record<string, unknown> = {};
cycle['self'] = cycle;
let deep: unknown = 1;
for (let depth = 0; depth < 50_000; depth += 1) deep = [deep];

/** Values that JSON changes or leaves out without a word, each with the path of what is wrong. */
const refused: readonly (readonly [name: string, value: unknown, path: string])[] = [
  ['NaN', { a: Number.NaN }, '/a'],
  ['Infinity', { a: [1, Infinity] }, '/a/1'],
  ['a BigInt', { a: 1n }, '/a'],
  ['a function', { a: { b: () => 1 } }, '/a/b'],
  ['a symbol', { a: Symbol('x') }, '/a'],
  ['undefined in a list', { a: [undefined] }, '/a/0'],
  ['a hole in a list', { a: [1, , 2] }, '/a/1'], // eslint-disable-line no-sparse-arrays
  ['a Map', { a: new Map([[1, 2]]) }, '/a'],
  ['a Set', { a: new Set([1]) }, '/a'],
  ['a WeakMap', { a: new WeakMap() }, '/a'],
  ['an ArrayBuffer', { a: new ArrayBuffer(2) }, '/a'],
  ['a typed array', { a: new Uint8Array(2) }, '/a'],
  ['a Buffer', { a: Buffer.from('x') }, '/a'],
  ['a regular expression', { a: /x/ }, '/a'],
  ['an Error', { a: new Error('x') }, '/a'],
  ['a promise', { a: Promise.resolve(1) }, '/a'],
  ['a date that is none', { a: new Date(Number.NaN) }, '/a'],
  ['a cycle', cycle, '/self'],
  ['a key with a slash', { 'a/b': { '~': Number.NaN } }, '/a~1b/~0'],
  ['what toJSON makes', { a: { toJSON: () => Number.NaN } }, '/a'],
];

describe('the input of a call', () => {
  let the: Session;
  beforeEach(async () => (the = await session()));
  afterEach(() => the.close());

  for (const [name, value, path] of refused) {
    it(`is refused by path if JSON cannot carry it: ${name} (D8)`, async () => {
      const client = await the.open();
      const error = await refusal(client.update(value as never));
      expect(error).to.be.instanceOf(RegistryError);
      expect(error.code).to.equal('invalid-input');
      expect(error.details?.[0]?.path).to.equal(path);
      expect(the.stub.calls).to.have.length(0);
    });
  }

  it('is refused if it is nested without end (D8)', async () => {
    const client = await the.open();
    expect((await refusal(client.update({ deep } as never))).code).to.equal('invalid-input');
  });

  it('is sent as JSON has it: dates, boxed values, instances, properties that are undefined (D8)', async () => {
    const client = await the.open();
    await client.update({
      at: new Date(0),
      n: Object(1) as unknown,
      point: new Point(),
      left: undefined,
      same: [cycle['x'] ?? null],
    } as never);
    expect(the.stub.calls[0]?.input).to.deep.equal({ at: '1970-01-01T00:00:00.000Z', n: 1, point: { x: 1 }, same: [null] });
  });
});

describe('the credentials of connect', () => {
  const unusable: readonly object[] = [
    { uid: 'lamp', tok: 'secret' },
    { uuid: 'lamp' },
    { uuid: 'lamp', token: 'secret', extra: 1 },
    { token: null },
    { token: '' },
    { uuid: 7, token: 'secret' },
    { username: 'anna', password: 'secret1' },
  ];
  for (const login of unusable) {
    it(`are refused where they would register a new device: ${JSON.stringify(login)} (D8)`, async () => {
      const error = await refusal(connect('http://127.0.0.1:1', login as never, { timeoutMs: 5_000 }));
      expect(error.code).to.equal('invalid-input');
    });
  }
});
