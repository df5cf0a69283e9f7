import { RegistryError, type ErrorCode } from '@rollcall/client/contract';

/** Waits for work whose failure with this code is none: somebody else has done it. */
export const ignoreError = async (code: ErrorCode, work: Promise<unknown>): Promise<void> => {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== code) throw error;
  }
};
