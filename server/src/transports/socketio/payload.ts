/** Packets in one payload of a polling client. Decoding more of them would hold up the event loop. */
const maxPackets = 20_000;

/** The end of the packet that begins at `at`; undefined if this is no packet, which the decoder will say. */
const endOfPacket = (payload: string | Buffer, at: number): number | undefined => {
  if (typeof payload === 'string') {
    const colon = payload.indexOf(':', at);
    // The longest payload has eight digits of length.
    const length = colon < 0 || colon - at > 8 ? NaN : Number(payload.slice(at, colon));
    return length >= 0 ? colon + 1 + length : undefined;
  }
  let length = 0;
  let next = at + 1;
  for (; next < payload.length && payload[next] !== 255 && next - at <= 8; next += 1) length = length * 10 + (payload[next] ?? 0);
  return payload[next] === 255 ? next + 1 + length : undefined;
};

/** Has a payload of Engine.IO 3 (protocol 3, "Payload": `<length>:<packet>...`, or its binary form) more packets than are taken at once? */
export const isCrowded = (payload: string | Buffer): boolean => {
  let count = 0;
  for (let at: number | undefined = 0; at !== undefined && at < payload.length; at = endOfPacket(payload, at)) {
    count += 1;
    if (count > maxPackets) return true;
  }
  return false;
};
