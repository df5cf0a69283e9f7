import {
  compilePermissions,
  readableDevices,
  resourceOf,
  resourceProblems,
  uncovered,
} from '@rollcall/server/internal/domain/permissions';
import { expect } from 'chai';
import fc from 'fast-check';

/** AC-9: permission, what is asked, answer. */
const vectors: readonly (readonly [permission: string, requested: string, covered: boolean])[] = [
  ['a/b', 'a/b', true],
  ['a/b', 'a/b/', false],
  ['a/+', 'a/b', true],
  ['a/+', 'a', false],
  ['a/+', 'a/', true],
  ['a/+', 'a/b/c', false],
  ['a/#', 'a', true],
  ['a/#', 'a/b/c', true],
  ['#', 'a/b', true],
  ['#', '$SYS/x', false],
  ['+/x', '$SYS/x', false],
  ['$SYS/#', '$SYS/x', true],
  ['a/#', 'a/+/c', true],
  ['a/+', 'a/+', true],
  ['A/b', 'a/b', false],
  ['a/+', 'a/#', false],
  ['a/b', 'a/+', false],
  ['a/+/c', 'a/b/c', true],
  ['a/+/c', 'a/+/c', true],
  ['a/+/c', 'a/#', false],
  ['a/b/#', 'a/+/c', false],
  ['/api/users', '/api/users', true],
  ['/api/users/#', '/api/users', true],
  ['/api/users/#', '/api/users/1/tokens', true],
  ['/api/users/+', '/api/users', false],
  ['/api/users/+', '/api/users/1/tokens', false],
  ['/#', '/api/users', true],
  ['/api/+/page', '/api/roles/page', true],
  ['+/some/values', 'topicA/some/values', true],
  ['users/mike/#', 'users/mike/$SYS/1/errors', true],
];

const one = (resource: string, operation: 'read' | 'write' | 'readWrite' = 'read', context: 'http' | 'mqtt' = 'mqtt') => ({
  resource,
  operation,
  context,
});

describe('permissions (AC-5, AC-9)', () => {
  for (const [permission, requested, covered] of vectors) {
    it(`${permission} ${covered ? 'covers' : 'does not cover'} ${requested}`, () => {
      expect(compilePermissions([one(permission)]).allow('mqtt', 'read', requested)).to.equal(covered);
    });
  }

  it('count in their context and for their operations only', () => {
    const held = compilePermissions([one('/a', 'read', 'http'), one('/b', 'readWrite', 'http'), one('/c', 'write', 'mqtt')]);
    expect(held.allow('http', 'read', '/a')).to.equal(true);
    expect(held.allow('http', 'write', '/a')).to.equal(false);
    expect(held.allow('http', 'write', '/b')).to.equal(true);
    expect(held.allow('http', 'write', '/c')).to.equal(false);
    expect(compilePermissions([]).allow('http', 'read', '/a')).to.equal(false);
  });

  it('add up: reading by one and writing by another is reading and writing', () => {
    const held = compilePermissions([one('/a/#', 'read', 'http'), one('/a/b', 'write', 'http')]);
    expect(uncovered(held, [one('/a/b', 'readWrite', 'http')])).to.deep.equal([]);
    expect(uncovered(held, [one('/a/c', 'readWrite', 'http'), one('/a/c', 'read', 'http')])).to.have.lengthOf(1);
    expect(uncovered(held, [one('/#', 'read', 'http')])).to.have.lengthOf(1);
  });

  const level = fc.constantFrom('a', 'b', '', '+', '$c');
  const filter = fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([levels, rest]) => (rest ? [...levels, '#'] : levels).join('/'));
  const topic = fc
    .array(fc.constantFrom('a', 'b', '', '$c', 'd'), { minLength: 1, maxLength: 5 })
    .map((levels) => levels.join('/'));

  /** MQTT 3.1.1, section 4.7, as an expression. */
  const matches = (resource: string, name: string): boolean => {
    if (/^[+#]/.test(resource) && name.startsWith('$')) return false;
    const levels = resource.split('/').map((part) => (part === '+' ? '[^/]*' : part === '#' ? '.*' : part.replace('$', '\\$')));
    const source = levels.join('/').replace(/\/\.\*$/, '(?:/.*)?');
    return new RegExp(`^${source}$`).test(name);
  };

  it('cover a topic exactly if one of them matches it', () => {
    fc.assert(
      fc.property(fc.array(filter, { maxLength: 5 }), topic, (resources, name) => {
        const held = compilePermissions(resources.map((resource) => one(resource)));
        expect(held.allow('mqtt', 'read', name)).to.equal(resources.some((resource) => matches(resource, name)));
      }),
      { numRuns: 5_000 },
    );
  });

  it('that cover a filter cover every topic that it matches', () => {
    fc.assert(
      fc.property(filter, filter, topic, (resource, asked, name) => {
        const held = compilePermissions([one(resource)]);
        if (held.allow('mqtt', 'read', asked) && matches(asked, name)) expect(matches(resource, name)).to.equal(true);
      }),
      { numRuns: 20_000 },
    );
  });

  it('let somebody find the devices that they let him read one by one', () => {
    const part = fc.constantFrom('devices', '+', 'users', 'a', 'b', '#');
    const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join('/')}`.replace(/\/#\/.*$/, '/#'));
    const grant = fc.record({
      resource: path,
      operation: fc.constantFrom('read', 'write'),
      context: fc.constantFrom('http', 'mqtt'),
    });
    fc.assert(
      fc.property(fc.array(grant, { maxLength: 4 }), fc.constantFrom('a', 'b', 'c'), (grants, uuid) => {
        const found = readableDevices(grants);
        const finds = found === 'all' || found.includes(uuid);
        expect(finds).to.equal(compilePermissions(grants).allow('http', 'read', `/devices/${uuid}`));
      }),
      { numRuns: 5_000 },
    );
  });

  it('are refused where their text is no resource', () => {
    const wrong = (resource: string, context: 'http' | 'mqtt') =>
      resourceProblems([one(resource, 'read', context)], '/permissions').map(({ path }) => path);
    expect(wrong('/api/#', 'http')).to.deep.equal([]);
    expect(wrong('#', 'mqtt')).to.deep.equal([]);
    for (const resource of ['api/users', '#', '/a/#/b', '/a#', '/a+', '/a/b+/c']) {
      expect(wrong(resource, 'http'), resource).to.deep.equal(['/permissions/0/resource']);
    }
    expect(wrong('a/#/b', 'mqtt')).to.have.lengthOf(1);
  });

  it('are asked by the path of the call, into which no field can bring a level or a wildcard of its own', () => {
    expect(resourceOf('/api/users/:id/tokens', { id: 'x' })).to.equal('/api/users/x/tokens');
    for (const id of ['', '.', '..', 'a/b', '+', '#', 'a+b', 5, undefined]) {
      expect(resourceOf('/api/users/:id', { id }), String(id)).to.equal(undefined);
    }
  });
});
