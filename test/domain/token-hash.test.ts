import { expect } from 'chai';
import { tokenHash } from '@rollcall/server/internal/identity/tokens/device-tokens';

describe('tokenHash', () => {
  for (const [token, uuid, pepper, hash] of [
    [
      'mystery-token',
      '50805aa3-a88b-4a67-836b-4752e318c979',
      'totally-secret-yo',
      'qe4NSaR3wrM6c2Q6uE6diz23ZXHyXUE2u/zJ9rvGE5A=',
    ],
    ['abc123', 'spiral', 'im-a-pepper', 'T/GMBdFNOc9l3uagnYZSwgFfjtp8Vlf6ryltQUEUY1U='],
    ['foo', 'a-uuid', 'totally-secret-yo', 'DnN1cXdfiInpeLs9VjOXM+C/1ow2nGv46TGrevRN3a0='],
  ] as const) {
    it(`hashes ${token} as Meshblu does (reference, 5.3)`, () => {
      expect(tokenHash(token, uuid, pepper)).to.equal(hash);
    });
  }
});
