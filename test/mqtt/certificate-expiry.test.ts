import { X509Certificate } from 'node:crypto';
import { makeAuthority } from '@rollcall/server/internal/identity/certificates/issue';
import { createCertificateExpiry } from '@rollcall/server/internal/mqtt/certificate-expiry';
import { expect } from 'chai';

describe('the expiry of certificates', () => {
  const manual = (at: number) => {
    const timers: { readonly due: number; readonly run: () => void }[] = [];
    const asked: number[] = [];
    return {
      asked,
      timers,
      now: () => at,
      after(ms: number, run: () => void) {
        const timer = { due: at + ms, run };
        asked.push(ms);
        timers.push(timer);
        return () => void timers.splice(timers.indexOf(timer), 1);
      },
      /** Runs what is due until this moment. */
      to(end: number) {
        for (let next = timers[0]; next !== undefined && next.due <= end; next = timers[0]) {
          timers.shift();
          at = next.due;
          next.run();
        }
      },
    };
  };

  it('is waited for in pieces that a timer can wait for, up to the millisecond after notAfter (S7)', async () => {
    const { certificate } = await makeAuthority(Date.now());
    const { raw, validTo } = new X509Certificate(certificate);
    const clock = manual(Date.now());
    let expired = 0;
    createCertificateExpiry(clock)([raw], () => (expired += 1));
    clock.to(Date.parse(validTo));
    expect(expired).to.equal(0);
    clock.to(Date.parse(validTo) + 1);
    expect(expired).to.equal(1);
    expect(Math.max(...clock.asked)).to.equal(2 ** 31 - 1);
    expect(clock.timers).to.have.length(0);
  });

  it('is waited for no more once that was taken back', async () => {
    const { raw } = new X509Certificate((await makeAuthority(Date.now())).certificate);
    const clock = manual(Date.now());
    createCertificateExpiry(clock)([raw], () => undefined)();
    expect(clock.timers).to.have.length(0);
  });
});
