import { AFTERMATH_MS, BEHIND_MS, LATE_MS, STALE_MS, versionsDuring, WIDE } from './bounds.ts';
import type { History, Said } from './history.ts';
import type { LogEntry } from './replica-set.ts';
import type { Guarded } from '@rollcall/server/internal/domain/documents/metadata';

/** Presence is right this long after whatever happened, in milliseconds; how often that is looked at. */
const PRESENCE_MS = 8_000;
const LOOK_MS = 500;

type Chains = ReadonlyMap<string, readonly LogEntry[]>;

const allows = (document: Guarded | null, from: string): boolean => {
  const list = document?.['sendWhitelist'];
  return Array.isArray(list) && (list.includes('*') || list.includes(from));
};

/** When connections ended: Infinity for those that live. */
const staysOf = ({ stays, faults }: History) => {
  const died = new Map(faults.filter(({ kind }) => kind === 'kill').map(({ node, from }) => [node, from]));
  return stays.map((stay) => ({ ...stay, to: Math.min(stay.to ?? Infinity, died.get(stay.node) ?? Infinity) }));
};

/** P4: what a node handed to a peer was permitted by a document that the node could take for the present one. */
const checkPermission = ({ handed }: History, chains: Chains, said: ReadonlyMap<string, Said>): string[] =>
  handed.flatMap(({ uuid, id, time, node, stale, behind }) => {
    const from = time - (behind ? BEHIND_MS : stale ? STALE_MS : LATE_MS);
    const message = said.get(id);
    if (!message?.to.includes(uuid)) return [`P4 ${node} handed ${id} to ${uuid}, who is no addressee`];
    const permitted = versionsDuring([...(chains.get(uuid) ?? [])], from, time).some((document) =>
      allows(document, message.from),
    );
    return permitted ? [] : [`P4 ${node} handed ${id} to ${uuid} at ${Math.round(time)}, which no list of that time allows`];
  });

/** P6: to whoever is there at the end, what was acknowledged has come in the order of its sender, or he was told that something is missing. */
const checkMessages = (history: History, chains: Chains): string[] => {
  const { said, heard, arrivals, resyncs } = history;
  const here = peersHere(history);
  const broken: string[] = [];
  const isKept = ({ acknowledgedAt }: Said): boolean => acknowledgedAt !== null;
  for (const [uuid, arrivedAt] of arrivals) {
    const came = heard.filter((one) => one.uuid === uuid && one.isNew);
    const ids = new Set(came.map(({ id }) => id));
    const told = resyncs.filter((one) => one.uuid === uuid).map(({ time }) => time);
    const kept = said.filter((one) => isKept(one) && one.to.includes(uuid));
    const chain = chains.get(uuid) ?? [];
    for (const from of new Set(kept.map((one) => one.from))) {
      // What one node does not let through by a list that it knows late, another one replays.
      if (!chain.every(({ document }) => allows(document, from))) continue;
      const sent = kept.filter((one) => one.from === from);
      let newest = { place: -1, time: 0 };
      for (const { id, time } of came) {
        const place = sent.findIndex((one) => one.id === id);
        // A node whose feed is behind may go back after it has told so.
        const isAnew = told.some((at) => at >= newest.time && at <= time);
        if (place > newest.place || (place >= 0 && isAnew)) newest = { place, time };
        else if (place >= 0) broken.push(`order ${id} came late to ${uuid}`);
      }
    }
    for (const { id, from, sentAt } of kept) {
      const isOpen = versionsDuring([...chain], sentAt - BEHIND_MS, Infinity).every(
        (document) => document === null || allows(document, from),
      );
      const isTold = told.some((at) => at > sentAt);
      if (here.has(uuid) && sentAt > arrivedAt && isOpen && !isTold && !ids.has(id))
        broken.push(`P6 ${id} never came to ${uuid}, who was told nothing`);
    }
  }
  return broken;
};

/** The peers that have a connection at the end. */
const peersHere = (history: History): ReadonlySet<string> =>
  new Set(staysOf(history).flatMap(({ uuid, to }) => (to === Infinity ? [uuid] : [])));

/** P5: whoever is there at the end knows the newest revision of its own document that clients may see. */
const checkRevisions = (history: History, chains: Chains): string[] =>
  [...peersHere(history)].flatMap((uuid) => {
    const shown = (chains.get(uuid) ?? []).findLast(({ document }) => document?._rollcall?.shown === document?._rollcall?.rev);
    const rev = shown?.document?._rollcall?.shown ?? 0;
    const known = history.known.get(uuid) ?? 0;
    // Whoever is told resync reads anew by himself.
    const told = history.resyncs.findLast((one) => one.uuid === uuid)?.time ?? 0;
    const since = Math.max(history.arrivals.get(uuid) ?? Infinity, told);
    const isMissed = shown !== undefined && shown.committedAt! > since;
    return isMissed && known !== rev ? [`P5 ${uuid} knows revision ${known} of its document, which is at ${rev}`] : [];
  });

/** P7: whoever has a connection on a living node is shown as online, and nobody else, but for a while after a fault. */
const checkPresence = (history: History, chains: Chains, end: number): string[] => {
  const { faults } = history;
  const broken: string[] = [];
  const stays = staysOf(history);
  for (const [uuid, chain] of chains) {
    const own = stays.filter((stay) => stay.uuid === uuid);
    if (own.length === 0) continue;
    for (let time = PRESENCE_MS; time <= end; time += LOOK_MS) {
      const from = time - PRESENCE_MS;
      const isHere = own.some((stay) => stay.from <= from && stay.to >= time);
      const isAway = !own.some((stay) => stay.from <= time && stay.to >= from);
      const disturbed = faults.some((fault) => fault.from < time && fault.to > from - AFTERMATH_MS);
      if (disturbed || isHere === isAway) continue;
      const shown = chain.filter(({ committedAt }) => committedAt! <= time).at(-1)?.document?.['online'] === true;
      if (shown !== isHere) {
        broken.push(`P7 ${uuid} is shown as ${shown ? 'online' : 'offline'} at ${Math.round(time)}`);
        break;
      }
    }
    for (const { committedAt, document } of chain) {
      if (document?.['online'] !== false) continue;
      const live = own.find((stay) => stay.from < committedAt! - PRESENCE_MS && stay.to > committedAt!);
      const disturbed = faults.some(
        ({ kind, node, from, to }) =>
          (node === live?.node || WIDE.has(kind)) && from < committedAt! && to > committedAt! - AFTERMATH_MS,
      );
      if (live !== undefined && !disturbed)
        broken.push(`P7 ${uuid} was shown as offline at ${Math.round(committedAt!)}, and lives on ${live.node}`);
    }
  }
  return broken;
};

/** Every way in which the peers of a schedule were let down. `chains`: the committed versions of each device, oldest first. */
export const checkPeers = (history: History, chains: Chains, end: number): string[] => [
  ...checkPermission(history, chains, new Map(history.said.map((one) => [one.id, one]))),
  ...checkMessages(history, chains),
  ...checkRevisions(history, chains),
  ...checkPresence(history, chains, end),
];
