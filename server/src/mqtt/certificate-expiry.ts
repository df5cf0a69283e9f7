import { X509Certificate } from 'node:crypto';
import type { Clock } from '../common/clock.ts';

/** The longest that a timer of Node waits, in milliseconds: a longer one fires at once. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * Creates what waits until certificates (DER) have expired. `expired` is called a millisecond after the `notAfter` of each that holds now; the
 * function returned takes that back. Long times are waited for in pieces.
 */
export const createCertificateExpiry =
  ({ now, after }: Pick<Clock, 'now' | 'after'>) =>
  (chain: readonly Uint8Array[], expired: () => void): (() => void) => {
    const ends = chain
      .map((certificate) => Date.parse(new X509Certificate(certificate).validTo) + 1)
      .sort((one, other) => one - other);
    let cancel = (): void => undefined;
    const wait = (since: number): void => {
      const next = ends.find((end) => end > since);
      if (next === undefined) return;
      cancel = after(Math.min(Math.max(next - now(), 0), maxTimerMs), () => {
        if (now() < next) return wait(since);
        wait(next);
        expired();
      });
    };
    // One that expired while its client logged in counts too.
    wait(0);
    return () => cancel();
  };
