import { RegistryError } from '@rollcall/client/contract';
import { readCertificateRequest } from '@rollcall/server/internal/identity/certificates/csr';
import { writePem } from '@rollcall/server/internal/identity/certificates/pem';
import { expect } from 'chai';
import { connectAs, register } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

/** Levels that end a recursion without a bound, and whose text is short enough for a call. */
const levels = 20_000;
const deepList = '['.repeat(levels) + ']'.repeat(levels);
const deepObject = '{"a":'.repeat(levels) + '1' + '}'.repeat(levels);
const base64 = (text: string): string => Buffer.from(text).toString('base64url');

/** ASN.1 sequences in one another, DER. */
const deepDer = (count: number): Buffer => {
  const heads: Buffer[] = [];
  for (let inner = 0, index = 0; index < count; index += 1) {
    const length =
      inner < 128
        ? [inner]
        : inner < 65_536
          ? [0x82, inner >> 8, inner & 255]
          : [0x83, inner >> 16, (inner >> 8) & 255, inner & 255];
    heads.push(Buffer.from([0x30, ...length]));
    inner += 1 + length.length;
  }
  return Buffer.concat(heads.reverse());
};

describe('A certificate request of too many levels', () => {
  for (const count of [100, 1_000, 16_000]) {
    it(`is refused with ${count} levels as one that cannot be read (S1)`, async () => {
      const failure: unknown = await readCertificateRequest(writePem('CERTIFICATE REQUEST', deepDer(count)), 'jo', '/csr').catch(
        (error: unknown) => error,
      );
      expect(failure).to.be.instanceOf(RegistryError);
      expect((failure as RegistryError).code).to.be.oneOf(['invalid-input', 'too-large']);
    });
  }
});

onBothStores('Texts of 20,000 levels', (registries) => {
  let url = '';
  before(async () => {
    ({ url } = await registries.start({ legacy: true }));
  });

  for (const [what, text] of Object.entries({ lists: deepList, objects: deepObject })) {
    it(`of ${what} in a body and a bearer token are refused over HTTP, and those of a query fail nothing (S1)`, async () => {
      const { uuid, token } = await register(url);
      const headers = { 'content-type': 'application/json', meshblu_auth_uuid: uuid, meshblu_auth_token: token };
      const jwt = `${base64(`{"alg":"HS256","a":${text.slice(0, 3_000)}`)}.${base64(text.slice(0, 3_000))}.x`;
      const answers = [
        await fetch(`${url}/messages`, { method: 'POST', headers, body: `{"devices":["${uuid}"],"payload":${text}}` }),
        await fetch(`${url}/devices/${uuid}`, { method: 'PUT', headers, body: text }),
        await fetch(`${url}/devices/${uuid}`, { headers: { authorization: `Bearer ${jwt}` } }),
        await fetch(`${url}/devices?a${'[b]'.repeat(3_000)}=1`, { headers }),
      ];
      expect(answers.pop()?.status, 'the query').to.be.below(500);
      for (const { status, url: at } of answers) expect(status, at).to.be.within(400, 499);
      expect((await fetch(`${url}/status`)).status).to.equal(200);
    });

    it(`of ${what} in an event without acknowledgement close that connection and no other, over Socket.IO (S1)`, async () => {
      const [bad, good] = [await connectAs(url, await register(url)), await connectAs(url, await register(url))];
      const { ws } = bad.socket.io.engine.transport as unknown as { readonly ws: { send(data: string): void } };
      ws.send(`42["update",${text}]`);
      await until(() => !bad.socket.connected);
      expect(await good.ask('status', {})).to.deep.equal({ meshblu: 'online' });
      good.close();
    });
  }
});
