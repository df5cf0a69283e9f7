/** Character codes that give a JSON text its structure. */
export const quote = 0x22;
export const comma = 0x2c;
export const minus = 0x2d;
export const dot = 0x2e;
export const plus = 0x2b;
export const zero = 0x30;
export const nine = 0x39;
export const colon = 0x3a;
export const E = 0x45;
export const e = 0x65;
export const backslash = 0x5c;
export const openArray = 0x5b;
export const closeArray = 0x5d;
export const openObject = 0x7b;
export const closeObject = 0x7d;

/** A surrogate without its partner; the flag `u` makes whole pairs one character. */
export const loneSurrogate = /\p{Surrogate}/u;

export const isSpace = (code: number | undefined): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

export const isDigit = (code: number | undefined): boolean => code !== undefined && code >= zero && code <= nine;

/** Whether this character may follow the first digits of a number. */
export const isOfNumber = (code: number | undefined): boolean =>
  isDigit(code) || code === dot || code === e || code === E || code === minus || code === plus;

/**
 * Whether the string that ends at the quote `end` is a key: in valid JSON only a key is followed by
 * a colon.
 */
export const isKey = (text: string, end: number): boolean => {
  let next = end + 1;
  while (isSpace(text.charCodeAt(next))) next += 1;
  return text.charCodeAt(next) === colon;
};

/**
 * Index of the quote that ends the string begun by the quote at `start`; the length of the text if
 * it never ends.
 */
export const endOfString = (text: string, start: number): number => {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let before = at - 1;
    while (text.charCodeAt(before) === backslash) before -= 1;
    if ((at - before) % 2 === 1) return at;
  }
  return text.length;
};

/**
 * What the string literal from quote to quote means; its bare text if it is not valid JSON, which
 * the parser will say.
 */
export const meaning = (text: string, start: number, end: number): string => {
  try {
    return JSON.parse(text.slice(start, end + 1)) as string;
  } catch {
    return text.slice(start + 1, end);
  }
};
