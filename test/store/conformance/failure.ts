/** What a promise fails with, as an object to look into; fails itself if the promise is kept. */
export async function failure(promise: Promise<unknown>): Promise<Record<string, unknown> & Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error as Record<string, unknown> & Error;
    throw new Error('something else than an error was thrown', { cause: error });
  }
  throw new Error('nothing failed');
}
