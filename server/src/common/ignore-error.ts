import { RegistryError, type ErrorCode } from '@rollcall/client/contract';

/** Waits for work and ignores a failure with this code: another caller has already done it. */
export const ignoreError = async (code: ErrorCode, work: Promise<unknown>): Promise<void> => {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== code) throw error;
  }
};
