import type { Certified } from '../login.ts';
import type { ClientSession } from './client-session.ts';

/** Looks again at the certificates that connections showed when they logged in. */
export interface CertificateLooks {
  /** Ends those whose certificate is not one to log in by any more; resolves when nothing of theirs can be written any more. */
  look(links: readonly ClientSession[]): Promise<void>;
  /** How often it was looked. A login during which this changes has to look for itself. */
  readonly looks: number;
}

/** Opens them. */
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
