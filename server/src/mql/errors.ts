/** Codes of MongoDB's error table that these functions fail with. */
export const codes = {
  badValue: 2,
  failedToParse: 9,
  typeMismatch: 14,
  overflow: 15,
  pathNotViable: 28,
  conflictingUpdateOperators: 40,
  dollarPrefixedFieldName: 52,
  invalidId: 53,
  notSingleValueField: 54,
  emptyFieldName: 56,
  immutableField: 66,
  notExactValueField: 111,
  notSupported: 115,
} as const;

/**
 * A filter, update or projection that MongoDB refuses as well. `code` is MongoDB's code where it is
 * known.
 */
export class DocumentError extends Error {
  override readonly name: string = 'DocumentError';
  readonly code: number;
  /** The dotted path in the document that it is about; undefined if it is about the whole. */
  readonly path: string | undefined;

  constructor(code: number, message: string, path?: string) {
    super(message);
    this.code = code;
    this.path = path;
  }
}

/**
 * Something that MongoDB knows and these functions do not answer, because they could not answer it
 * exactly. `operator` names it.
 */
export class UnsupportedOperator extends DocumentError {
  override readonly name = 'UnsupportedOperator';
  readonly operator: string;

  constructor(operator: string, reason = 'is not supported') {
    super(codes.notSupported, `${operator} ${reason}`);
    this.operator = operator;
  }
}
