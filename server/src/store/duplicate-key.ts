/** Is it MongoDB's error 11000, a value that a unique index has already? Both engines throw it with that code. */
export const isDuplicateKey = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === 11000;
