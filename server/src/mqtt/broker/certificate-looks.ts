import type { Certified } from '../login.ts';
import type { ClientSession } from './client-session.ts';

/** Repeats the check of the certificates that connections showed when they logged in. */
export interface CertificateLooks {
  /**
   * Ends the connections whose certificate no longer permits a login.
   * Resolves when nothing of theirs can be written any more.
   */
  look(links: readonly ClientSession[]): Promise<void>;
  /**
   * Number of checks so far. A login during which it changes has to check its certificate again.
   */
  readonly looks: number;
}

/** Creates the checks. */
export const createCertificateLooks = (certifier: () => Certified): CertificateLooks => {
  let looks = 0;
  return {
    async look(links) {
      looks += 1;
      const shown = links.filter(({ identity, ended }) => identity.certificate !== undefined && !ended);
      if (shown.length === 0) return;
      const isCertified = certifier();
      for (const link of shown) if (!(await isCertified(link.identity))) await link.connection.end();
    },
    get looks() {
      return looks;
    },
  };
};
