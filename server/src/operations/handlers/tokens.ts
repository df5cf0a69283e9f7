import { RegistryError } from '@rollcall/client/contract';
import { isPlainObject } from '../../common/plain-object.ts';
import { readQuery } from '../../domain/device-query.ts';
import { outgoingValue } from '../../domain/device-view.ts';
import { isQueryOperator } from '../../domain/property-path.ts';
import { storedValue } from '../../domain/stored-value.ts';
import type { Implementation } from '../handler.ts';
import type { RevokedTokens } from '../../identity/tokens/device-tokens.ts';
import { outgoingToken } from '../../domain/token-view.ts';
import { assertMayGrantCredential } from '../../identity/credential-grants.ts';

type Rows = Pick<
  Implementation['meshblu'],
  'generateAndStoreToken' | 'revokeToken' | 'revokeTokenByQuery' | 'resetToken' | 'searchTokens'
>;

const maxMetadataBytes = 4096;
const tokenTimes: ReadonlySet<string> = new Set(['createdAt']);

const metadataOf = (given: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  const { uuid: _uuid, token: _token, createdAt: _createdAt, ...metadata } = given;
  if (Buffer.byteLength(JSON.stringify(metadata)) > maxMetadataBytes) {
    throw new RegistryError('too-large', `The metadata of a token are larger than ${maxMetadataBytes} bytes`);
  }
  const stored = storedValue(metadata, '');
  return isPlainObject(stored) ? stored : {};
};

/** A query over token metadata. Conditions on keys are allowed, logical operators are not. */
const metadataQuery = ({ uuid: _uuid, token: _token, ...query }: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  for (const key of Object.keys(query)) {
    if (isQueryOperator(key)) {
      throw new RegistryError('invalid-input', undefined, {
        details: [{ path: `/${key}`, rule: 'operator', message: `${key} is not an operator of queries here` }],
      });
    }
  }
  return readQuery(query, tokenTimes);
};

/** Result of a revocation. A revocation that found nothing is repeated once. */
const ending = async (uuid: string, revoke: () => Promise<RevokedTokens>) => {
  const { revokes, found } = await revoke();
  const recheck = async (): Promise<boolean> => (await revoke()).found;
  return { output: { uuid }, revokes, ...(!found && { recheck }) };
};

export const tokens: Rows = {
  async generateAndStoreToken(input, call) {
    const { target, permitted, tokens, request } = call;
    const metadata = metadataOf(input);
    await assertMayGrantCredential(await permitted(), call);
    await tokens.assertRoom(target, request);
    const { token, createdAt } = await tokens.issue(target, metadata, request);
    return {
      output: {
        ...(outgoingValue(metadata) as Record<string, unknown>),
        uuid: target,
        token,
        createdAt: createdAt.toISOString(),
      },
    };
  },

  async revokeToken({ token }, { target, permitted, tokens }) {
    await permitted();
    return ending(target, () => tokens.revoke(target, token));
  },

  async revokeTokenByQuery(input, { target, permitted, tokens }) {
    const query = metadataQuery(input);
    if (Object.keys(query).length === 0) {
      throw new RegistryError('invalid-input', undefined, {
        details: [{ path: '', rule: 'minProperties', message: 'an empty query would end every token' }],
      });
    }
    await permitted();
    return ending(target, () => tokens.revokeMatching(target, query));
  },

  async resetToken(_input, call) {
    const { target, permitted, tokens, request } = call;
    await assertMayGrantCredential(await permitted(), call);
    const { token, ended } = await tokens.resetRoot(target, request);
    return { output: { uuid: target, token, device: { uuid: target, token } }, revokes: ended };
  },

  async searchTokens(input, { target, tokens }) {
    const found = await tokens.search(target, metadataQuery(input));
    return { output: { tokens: found.map(outgoingToken) } };
  },
};
