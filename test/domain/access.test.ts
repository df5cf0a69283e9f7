import { whitelistNames, type Whitelist } from '@rollcall/client/contract';
import { compileFilter } from '@rollcall/server/mql';
import { decide, grants, sees, visible, type Who } from '@rollcall/server/internal/domain/access';
import { expect } from 'chai';
import fc from 'fast-check';

type Device = Parameters<typeof grants>[0];

const device = (properties: object): Device => ({ _id: 'T', uuid: 'T', ...properties });
const see = { whitelist: 'discover.view', target: 'uuid' } as const;
const configure = { whitelist: 'configure.update', target: 'uuid' } as const;

describe('the policy', () => {
  it('lets a device do anything to itself, and nobody anything to what is not there', () => {
    expect(decide({ uuid: 'T' }, configure, device({ meshblu: { version: '2.0.0' } }))).to.deep.equal({ allowed: true });
    expect(decide({ uuid: 'S' }, configure, null)).to.deep.equal({ allowed: false, code: 'forbidden' });
    expect(decide(null, configure, device({}))).to.deep.equal({ allowed: false, code: 'unauthenticated' });
  });

  const oldLists: readonly (readonly [string, readonly Whitelist[]])[] = [
    ['configureWhitelist', ['configure.update', 'broadcast.received', 'message.sent', 'message.received']],
    ['configureAsWhitelist', ['configure.as']],
    ['discoverWhitelist', ['discover.view', 'configure.sent']],
    ['discoverAsWhitelist', ['discover.as']],
    ['receiveWhitelist', ['broadcast.sent']],
    ['receiveAsWhitelist', ['message.received', 'broadcast.received']],
    ['sendWhitelist', ['message.from']],
    ['sendAsWhitelist', ['message.as']],
    ['owner', whitelistNames.filter((name) => name !== 'broadcast.as')],
  ];
  for (const [property, goesInto] of oldLists) {
    it(`reads ${property} of a version 1 device as ${goesInto.length} version 2 lists (reference, 4.3)`, () => {
      const target = device({ [property]: property === 'owner' ? 'S' : ['S'] });
      const granted = whitelistNames.filter((list) => grants(target, list, { uuid: 'S' }));
      expect(granted).to.have.members(goesInto);
      expect(
        whitelistNames.filter((list) => grants(device({ ...target, meshblu: { version: '2.0.0' } }), list, { uuid: 'S' })),
      ).to.deep.equal([]);
    });
  }

  it('reads a list that is a text as a list of one, and never matches a part of it', () => {
    expect(grants(device({ discoverWhitelist: 'S' }), 'discover.view', { uuid: 'S' })).to.equal(true);
    expect(grants(device({ discoverWhitelist: 'xSx' }), 'discover.view', { uuid: 'S' })).to.equal(false);
    expect(grants(device({ discoverWhitelist: '*' }), 'discover.view', { uuid: 'S' })).to.equal(true);
  });

  it('takes version 2 entries with a uuid only', () => {
    const listing = (view: unknown) => device({ meshblu: { version: '2.0.0', whitelists: { discover: { view } } } });
    expect(grants(listing([{ uuid: 'S', more: 1 }]), 'discover.view', { uuid: 'S' })).to.equal(true);
    expect(grants(listing([{ uuid: '*' }]), 'discover.view', { uuid: 'S' })).to.equal(true);
    for (const view of [['S'], 'S', { uuid: 'S' }, [null], [['S']], null]) {
      expect(grants(listing(view), 'discover.view', { uuid: 'S' }), JSON.stringify(view)).to.equal(false);
    }
  });

  it('asks both lists of whoever acts for another device, and never lets him act on that one (reference, 4.5)', () => {
    const x = { _id: 'X', uuid: 'X', meshblu: { version: '2.0.0', whitelists: { configure: { as: [{ uuid: 'S' }] } } } };
    const listed = device({ meshblu: { version: '2.0.0', whitelists: { configure: { update: [{ uuid: 'X' }] } } } });
    const as = (document: Device | null, uuid = 'X') => ({ uuid: 'S', as: { uuid, document } });
    expect(decide(as(x), configure, listed).allowed).to.equal(true);
    expect(decide(as(x), see, listed).allowed).to.equal(false);
    expect(decide(as(x), configure, x).allowed).to.equal(false);
    expect(decide(as(null), configure, listed).allowed).to.equal(false);
    expect(decide({ uuid: 'X', as: { uuid: 'X', document: null } }, configure, listed).allowed).to.equal(true);
    expect(decide(as(x), { self: true }, null).allowed).to.equal(false);
  });
});

describe('the policy as a store filter', () => {
  const uuid = fc.constantFrom('S', 'T', 'W', '*');
  const who = fc.constantFrom<Who>({ uuid: 'S' }, { uuid: 'T' }, { uuid: 'S', tenant: 'W' }, { uuid: 'T', tenant: 'S' });
  const names = fc.array(uuid, { maxLength: 3 });
  const list = fc.oneof(names, uuid);
  const entries = fc.array(fc.record({ uuid }), { maxLength: 3 });
  const lists = fc.record(
    {
      owner: uuid,
      ...Object.fromEntries(
        [
          'discoverWhitelist',
          'configureWhitelist',
          'configureAsWhitelist',
          'discoverAsWhitelist',
          'sendWhitelist',
          'receiveWhitelist',
          'receiveAsWhitelist',
        ].map((name) => [name, list]),
      ),
    },
    { requiredKeys: [] },
  );
  const group = (...inner: string[]) => fc.record(Object.fromEntries(inner.map((name) => [name, entries])), { requiredKeys: [] });
  const meshblu = fc.record(
    {
      version: fc.constantFrom('1.0.0', '2.0.0', '3.0.0', null),
      whitelists: fc.record(
        {
          discover: group('view', 'as'),
          configure: group('update', 'as', 'sent', 'received'),
          message: group('from', 'as', 'sent', 'received'),
          broadcast: group('sent', 'received', 'as'),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  );
  const anyDevice = fc
    .record({ lists, meshblu: fc.option(meshblu, { nil: undefined }) })
    .map(({ lists: old, meshblu: own }) => device({ ...old, ...(own !== undefined && { meshblu: own }) }));

  it('finds exactly what the policy allows', () => {
    fc.assert(
      fc.property(anyDevice, fc.constantFrom(...whitelistNames), who, (found, name, subject) => {
        expect(compileFilter(visible(subject, name))(found)).to.equal(sees(subject, name, found));
      }),
      { numRuns: 3_000 },
    );
  });

  it('never finds less than the policy allows, whatever is in the place of a list', () => {
    const anything = fc.oneof(fc.anything({ maxDepth: 2, withNullPrototype: false }), list, entries);
    const odd = fc
      .record({ discoverWhitelist: anything, owner: anything, view: anything, version: fc.constantFrom('2.0.0', undefined) })
      .map(({ discoverWhitelist, owner, view, version }) =>
        device({ discoverWhitelist, owner, meshblu: { ...(version && { version }), whitelists: { discover: { view } } } }),
      );
    fc.assert(
      fc.property(odd, (found) => {
        const who = { uuid: 'S' };
        if (sees(who, 'discover.view', found)) expect(compileFilter(visible(who, 'discover.view'))(found)).to.equal(true);
      }),
      { numRuns: 3_000 },
    );
  });
});
