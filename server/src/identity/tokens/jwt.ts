import { createHash, hash } from 'node:crypto';
import { jwtVerify, SignJWT, decodeProtectedHeader } from 'jose';
import { LRUCache } from 'lru-cache';

/** What an access token says. Nothing of what its user may do is in it. */
export interface Claims {
  /** The credential's `_id`. */
  readonly id: string;
  readonly uuid: string;
  /** The login. */
  readonly sid: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** What a token says that was shown, and how lists name it. */
export interface ShownClaims extends Claims {
  readonly fingerprint: string;
}

/** Access tokens as JWT (AT-4). */
export interface AccessTokens {
  sign(claims: Claims & { readonly issuedAt: number; readonly username: string }): Promise<string>;
  /** What a token says that was signed here, expired or not; null if it was not. */
  read(token: string): Promise<ShownClaims | null>;
  /** The same at once, if its signature was checked before. */
  recall(token: string): ShownClaims | undefined;
}

const algorithm = 'HS256';
const issuer = 'rollcall';
const audience = 'registry';
const maxKept = 20_000;

/** Has it the form of a JWT? Meshblu's tokens have no dots. */
export const looksLikeJwt = (token: string): boolean => /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(token);

/** SHA-256 of a token, as upper-case hex with colons: how lists name it. */
export const fingerprintOf = (token: string): string => (hash('sha256', token, 'hex').toUpperCase().match(/../g) ?? []).join(':');

/** `key`: 32 secret bytes, the same on every node. */
export const createAccessTokens = (key: Buffer): AccessTokens => {
  const kid = createHash('sha256').update('rollcall key id').update(key).digest('hex').slice(0, 16);
  /** Signatures that were checked, by the token's hash. */
  const checked = new LRUCache<string, ShownClaims>({ max: maxKept });

  return {
    sign: ({ id, uuid, sid, issuedAt, expiresAt, username }) =>
      new SignJWT({ sid, preferred_username: username, ...(username.includes('@') && { email: username }) })
        .setProtectedHeader({ alg: algorithm, typ: 'JWT', kid })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(uuid)
        .setJti(id)
        .setIssuedAt(Math.floor(issuedAt / 1000))
        .setExpirationTime(Math.floor(expiresAt / 1000))
        .sign(key),

    recall: (token) => checked.get(hash('sha256', token, 'base64')),

    async read(token) {
      const name = hash('sha256', token, 'base64');
      const known = checked.get(name);
      if (known !== undefined) return known;
      try {
        if (decodeProtectedHeader(token).kid !== kid) return null;
        // Whether it has expired is asked by the caller, on the registry's clock.
        const { payload } = await jwtVerify(token, key, { algorithms: [algorithm], issuer, audience, currentDate: new Date(0) });
        const { jti, sub, sid, exp } = payload;
        if (jti === undefined || sub === undefined || typeof sid !== 'string' || exp === undefined) return null;
        const claims = { id: jti, uuid: sub, sid, expiresAt: exp * 1000, fingerprint: fingerprintOf(token) };
        checked.set(name, claims);
        return claims;
      } catch {
        return null;
      }
    },
  };
};
