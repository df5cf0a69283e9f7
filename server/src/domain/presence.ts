import { RegistryError } from '@rollcall/client/contract';
import { changeDevice } from './device.ts';
import type { Revision } from './revision.ts';
import type { DeviceDocument } from './documents/device.ts';

/** The nodes that hold a socket of this device, as the document says. */
export const nodesOf = (document: DeviceDocument): readonly string[] => document._rollcall?.presence?.nodes ?? [];

/** Who writes, when (milliseconds since 1970), and why the device comes or goes. */
export interface Writing {
  readonly node: string;
  readonly now: number;
  readonly reason: string;
}

/**
 * The visible part of coming and going: an ordinary change, or no more than the one property where
 * the document is too large for that.
 */
const visibly = (before: DeviceDocument, online: boolean, now: number): Revision<DeviceDocument> | null => {
  try {
    return changeDevice(before, (document) => ({ ...document, online }), before.uuid, new Date(now));
  } catch (error) {
    if (error instanceof RegistryError) return { next: { ...before, online }, visible: true };
    throw error;
  }
};

/**
 * The next revision of a document that these nodes hold: `online` while there are any (ME-8). Null
 * if that is what it says.
 *
 * Since when, why, and in which revision it last came or went is kept in its hidden field.
 */
export const withNodes = (
  before: DeviceDocument,
  nodes: readonly string[],
  { node, now, reason }: Writing,
): DeviceDocument | null => {
  const online = nodes.length > 0;
  const known = nodesOf(before);
  const isSame = known.length === nodes.length && known.every((name) => nodes.includes(name));
  if (isSame && before['online'] === online) return null;
  const hidden = before._rollcall ?? { rev: 0, shown: 0 };
  const rev = hidden.rev + 1;
  const seen = visibly(before, online, now);
  const was = hidden.presence;
  const presence =
    seen === null && was !== undefined
      ? { ...was, nodes: [...nodes] }
      : { nodes: [...nodes], since: now, reason, ...(seen !== null && { at: rev }) };
  const next = seen?.next ?? before;
  return { ...next, _rollcall: { ...hidden, rev, shown: seen === null ? hidden.shown : rev, node, presence } };
};
