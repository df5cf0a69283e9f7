/**
 * What the registry asks of its log: pino's methods. Fields first, then the sentence. Secrets never
 * go in.
 */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
