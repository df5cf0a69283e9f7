import { expect } from 'chai';
import { TOTP, URI } from 'otpauth';
import { until } from '../../support/until.ts';

const stepMs = 30_000;

/** What a user's telephone does: it has read a URI, and shows codes. */
export interface Authenticator {
  readonly totp: TOTP;
  /** The code of the time step that lies `steps` from now on, -1 for the one before. */
  code(steps?: number): string;
  /** A code that is right for no step near now. */
  wrong(): string;
}

/** Reads a URI. */
export const authenticatorOf = (uri: string): Authenticator => {
  const totp = URI.parse(uri);
  if (!(totp instanceof TOTP)) throw new Error(`no TOTP: ${uri}`);
  const code = (steps = 0): string => totp.generate({ timestamp: Date.now() + steps * stepMs });
  return {
    totp,
    code,
    wrong() {
      const right = new Set([-2, -1, 0, 1, 2].map((steps) => code(steps)));
      for (let number = 0; ; number += 1) {
        const text = String(number).padStart(6, '0');
        if (!right.has(text)) return text;
      }
    },
  };
};

/** Waits until the present time step lasts for some seconds more, so that what is before and after it stays so. */
export const earlyInStep = (): Promise<void> => until(() => stepMs - (Date.now() % stepMs) > 8_000, 10_000);

/** The backup codes of an answer: ten, all different. */
export const backupCodesOf = (body: Record<string, unknown>): readonly string[] => {
  const codes = body['backupCodes'] as string[];
  expect(new Set(codes).size).to.equal(10);
  return codes;
};
