import { RegistryError } from '@rollcall/client/contract';
import { readCertificate } from '../../identity/certificates/describe.ts';
import { readPem } from '../../identity/certificates/pem.ts';
import { readCertificateRequest } from '../../identity/certificates/csr.ts';
import { passwordProblems } from '../../domain/password-policy.ts';
import { resourceProblems } from '../../domain/permissions.ts';
import { awaitedName } from '../../domain/registration.ts';
import { refuseProblems, usernameProblems } from '../../domain/user.ts';
import type { Implementation, Services } from '../handler.ts';
import { makeUser, one } from './users.ts';
import type { CertificateBinding } from '../../domain/documents/certificate.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';
import type { RegistrationDocument } from '../../domain/documents/registration.ts';

type Asker = Pick<Parameters<Implementation['clientRegistry']['register']>[1], 'caller' | 'pendingCallers'>;

const defaultMs = 30_000;

/** Issues the certificate that a registration request asks for, as a binding of the new user. */
const certificateFor = async (
  { username, publicKey }: RegistrationDocument,
  { trust, now }: Services,
): Promise<readonly CertificateBinding[] | undefined> => {
  if (publicKey === undefined) return undefined;
  const pem = await trust.issueForClient(username, Buffer.from(publicKey, 'base64'));
  const { info } = readCertificate(readPem(pem, '')[0]?.bytes ?? new Uint8Array(), '');
  const { sha256: fingerprint } = info.fingerprints;
  return [{ fingerprint, createdAt: new Date(now()), expiresAt: new Date(info.expiresOn), pem }];
};

/**
 * Notifies the caller when the request is granted.
 * A connection that waits for too many requests is not notified and has to ask again.
 */
const tellWhenGranted = (request: RegistrationDocument, { caller, pendingCallers }: Asker): void => {
  if (caller === null) return;
  try {
    pendingCallers.add(awaitedName(request), caller);
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== 'busy') throw error;
  }
};

export const clientRegistry: Implementation['clientRegistry'] = {
  async register({ username, password, csr, roles = [], permissions = [], context = '' }, call) {
    const { config, caller } = call;
    refuseProblems([
      ...usernameProblems(username, '/username'),
      ...(password === undefined && csr === undefined
        ? [{ path: '/password', rule: 'required', message: 'a password or a certificate request is needed' }]
        : []),
      ...(password === undefined || csr !== undefined ? [] : passwordProblems(config.passwordPolicy, password, '/password')),
      ...resourceProblems(permissions, '/permissions'),
    ]);
    const credential =
      csr === undefined ? { password: password ?? '' } : { publicKey: await readCertificateRequest(csr, username, '/csr') };
    const wishes = permissions.map(({ resource, operation, context: where }) => ({ resource, operation, context: where }));
    const { certificate, ...outcome } = await call.clientRegistry
      .register(
        { username, credential, roles, permissions: wishes, context, source: caller === null ? 'rest' : 'socket' },
        {
          address: call.address,
          numbered: call.numbered,
          wait: (request) => tellWhenGranted(request, call),
        },
      )
      .then((told) => ({ certificate: undefined, ...told }));
    return {
      output: { ...outcome, ...(certificate !== undefined && { certificate: Buffer.from(certificate).toString('base64') }) },
    };
  },

  async list(_input, call) {
    return { output: { requests: [...(await call.clientRegistry.list())] } };
  },

  async open({ duration = defaultMs }, call) {
    await call.clientRegistry.window.open(duration);
    return { output: { openUntil: new Date(call.now() + duration).toISOString() } };
  },

  async close(_input, call) {
    await call.clientRegistry.window.close();
    return { output: {} };
  },

  async confirm({ username, ...given }, call) {
    const request = await call.clientRegistry.find(username);
    if (request === null) {
      const user = await call.users.byLoginName(username);
      if (user === null) throw new RegistryError('not-found');
      // A repeated call finds the user that its first attempt created. Any other call fails with
      // `conflict`.
      const own: PrincipalDocument = await call.principals.insert(user, call.request ?? undefined);
      return { output: await one(own, call) };
    }
    const { _id: id, username: name, credentialType, passwordHash } = request;
    const certificates = await certificateFor(request, call);
    const user = await makeUser(
      { ...given, username: name, grantTypes: given.grantTypes ?? [{ method: credentialType, isRequired: true }] },
      call,
      { id, ...(passwordHash !== undefined && { passwordHash }), ...(certificates !== undefined && { certificates }) },
    );
    try {
      await call.clientRegistry.grant(id);
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code !== 'not-found') throw error;
      // The request was denied while the user was created.
      await call.users.remove(id, call.actor.uuid);
      throw error;
    }
    return { output: await one(user, call) };
  },

  async deny({ username }, call) {
    await call.clientRegistry.deny(username, call.actor.uuid);
    return { output: {} };
  },
};
