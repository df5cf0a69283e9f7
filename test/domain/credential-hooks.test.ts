import { withApprovedHooks } from '@rollcall/server/internal/domain/credential-hooks';
import { expect } from 'chai';
import type { DeviceDocument } from '@rollcall/server/internal/domain/documents/device';

const hook = (url: string) => ({ type: 'webhook', url, generateAndForwardMeshbluCredentials: true });

const documentOf = (hooks: readonly unknown[], credentialHooks?: readonly string[], principal = true): DeviceDocument => ({
  _id: 'a',
  uuid: 'a',
  meshblu: { forwarders: { configure: { sent: [...hooks] } } },
  _rollcall: {
    rev: 1,
    shown: 1,
    ...(principal && { principal: true as const }),
    ...(credentialHooks !== undefined && { credentialHooks: [...credentialHooks] }),
  },
});

const approvedAfter = (before: DeviceDocument, next: DeviceDocument, mayIssue: boolean) =>
  withApprovedHooks(before, { next, visible: true }, mayIssue)?.next._rollcall?.credentialHooks;

describe('approval of hooks that forward credentials', () => {
  const [one, other] = [hook('http://one.example/'), hook('http://other.example/')];

  it('approves what is added by an actor who may issue tokens, and refuses it by others (S2)', () => {
    const approved = approvedAfter(documentOf([]), documentOf([one]), true);
    expect(approved).to.have.length(1);
    expect(withApprovedHooks(documentOf([]), { next: documentOf([one]), visible: true }, false)).to.equal(null);
    expect(approvedAfter(documentOf([one], approved), documentOf([one], approved), false)).to.deep.equal(approved);
  });

  it('never approves by the way what was stored without approval (S2)', () => {
    expect(approvedAfter(documentOf([one]), documentOf([one]), true)).to.deep.equal([]);
    expect(approvedAfter(documentOf([one]), documentOf([one, other]), true)).to.have.length(1);
  });

  it('counts hooks beyond the number that is used: removing others would bring them into use (S2)', () => {
    const many = Array.from({ length: 30 }, (_, index) => ({ type: 'webhook', url: `http://plain.example/${index}` }));
    expect(withApprovedHooks(documentOf([]), { next: documentOf([...many, one]), visible: true }, false)).to.equal(null);
  });

  it('forgets an approval with its hook, and leaves devices without principal alone (S2)', () => {
    const approved = approvedAfter(documentOf([]), documentOf([one]), true);
    expect(approvedAfter(documentOf([one], approved), documentOf([], approved), false)).to.deep.equal([]);
    expect(approvedAfter(documentOf([], undefined, false), documentOf([one], undefined, false), false)).to.equal(undefined);
  });
});
