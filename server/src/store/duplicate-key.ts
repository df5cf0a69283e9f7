/** Whether this is MongoDB's error 11000, a duplicate value in a unique index. Both engines throw this code. */
export const isDuplicateKey = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === 11000;
