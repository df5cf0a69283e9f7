/**
 * Bytes as fingerprints are shown: upper-case hex in pairs with colons between (as OpenSSL prints
 * them).
 */
const inPairs = (hex: string): string => (hex.toUpperCase().match(/../g) ?? []).join(':');

/**
 * A certificate's SHA-1 or SHA-256 fingerprint as it is kept and shown, of any of its forms: 40 or
 * 64 hex digits in any case, with or without colons. Undefined if it is none (AC-5.11).
 */
export const readFingerprint = (text: string): string | undefined => {
  if (!/^[0-9a-f]{2}(?::?[0-9a-f]{2})*$/i.test(text)) return undefined;
  const hex = text.replaceAll(':', '');
  return hex.length === 40 || hex.length === 64 ? inPairs(hex) : undefined;
};

/**
 * A SHA-256 fingerprint as the id of a certificate in the trust store: lower-case hex, nothing
 * between. Undefined if it is none.
 */
export const certificateId = (text: string): string | undefined => {
  const hex = readFingerprint(text)?.replaceAll(':', '').toLowerCase();
  return hex?.length === 64 ? hex : undefined;
};
