import { positionAt } from '@rollcall/server/internal/data/feed/position';
import type { History } from './history.ts';
import { AFTERMATH_MS, BEHIND_MS, ENDING_MS, LATE_MS, STALE_MS, versionsDuring, WIDE } from './bounds.ts';
import { checkPeers } from './peer-checks.ts';
import type { Counted, Process } from './process.ts';
import { addressOf, type LogEntry, type ReplicaSet } from './replica-set.ts';
import type { Guarded } from '@rollcall/server/internal/domain/documents/metadata';

/** Codes that leave open whether the call took effect. */
const OPEN: ReadonlySet<string> = new Set(['unavailable', 'busy', 'internal', 'outcome-unknown']);

const revOf = (document: Guarded | null): number => document?._rollcall?.rev ?? 0;
const shownOf = (document: Guarded | null): number => document?._rollcall?.shown ?? 0;
const effectsOf = (document: Guarded | null): readonly string[] => (document as Counted | null)?.effects ?? [];

/** The committed versions of each device, oldest first. */
const chainsOf = (log: readonly LogEntry[]): Map<string, LogEntry[]> => {
  const chains = new Map<string, LogEntry[]>();
  for (const entry of log) {
    if (entry.collection !== 'devices' || entry.document === null) continue;
    const address = addressOf('devices', entry.document);
    chains.set(address, [...(chains.get(address) ?? []), entry]);
  }
  return chains;
};

/** Every way in which a schedule broke a promise, as sentences that begin with the promise's name. */
export const check = (history: History, set: ReplicaSet, processes: readonly Process[], until: number): string[] => {
  const broken: string[] = [];
  const log = set.log.slice(0, set.committed);
  const chains = chainsOf(log);

  const effectAt = new Map<string, { before: Guarded | null; after: Guarded }>();
  for (const [uuid, chain] of chains) {
    chain.forEach((entry, index) => {
      const before = chain[index - 1]?.document ?? null;
      const after = entry.document!;
      if (before && revOf(after) !== revOf(before) + 1)
        broken.push(`P3 ${uuid}: revision ${revOf(before)} became ${revOf(after)}`);
      const had = effectsOf(before);
      const has = effectsOf(after);
      if (has.length > had.length + 1 || had.some((effect, place) => has[place] !== effect)) {
        broken.push(`P3 ${uuid}: revision ${revOf(after)} was not made from the one before it`);
      }
      for (const effect of has.slice(had.length)) {
        if (effectAt.has(effect)) broken.push(`P2 ${effect} took effect twice on ${uuid}`);
        effectAt.set(effect, { before, after });
      }
    });
  }

  for (const call of history.calls) {
    const effect = effectAt.get(call.effect);
    if (call.outcome === 'done') {
      if (!effect) broken.push(`P1 ${call.effect} (${call.kind} ${call.uuid}) was acknowledged and is not there`);
      else if (call.rev !== null && call.rev < revOf(effect.after))
        broken.push(`P1 ${call.effect} was answered with an older revision`);
    } else if (effect && call.sendings === 1 && call.outcome !== null && !OPEN.has(call.outcome)) {
      broken.push(`P2 ${call.effect} was refused (${call.outcome}) and took effect`);
    }
    if (effect && call.expectedRev !== undefined && shownOf(effect.before) !== call.expectedRev) {
      broken.push(`P3 ${call.effect} expected ${call.expectedRev} and replaced ${shownOf(effect.before)}`);
    }
  }

  for (const call of history.calls) {
    if (call.stale || call.fickle || call.kind !== 'update') continue;
    const wrong =
      call.outcome === 'forbidden'
        ? (document: Guarded | null) => document !== null && document['open'] === true && document._rollcall?.gone === undefined
        : call.outcome === 'conflict'
          ? (document: Guarded | null) => shownOf(document) === call.expectedRev
          : null;
    const from = call.begun - (call.behind ? BEHIND_MS : 0);
    const during = wrong && versionsDuring(chains.get(call.uuid) ?? [], from, call.answered);
    if (during?.every(wrong!))
      broken.push(`fresh: ${call.effect} was refused (${call.outcome}), but no version of ${call.uuid} says so`);
  }

  for (const { node, begun, ended, passed } of history.barriers) {
    // A renewal that a slow or broken wire brings late prolongs the life of its node in the eyes of the others.
    const disturbed = history.faults.some(
      (fault) => (fault.node === node || WIDE.has(fault.kind)) && fault.from < ended && fault.to > begun - AFTERMATH_MS,
    );
    if (!disturbed && (!passed || ended - begun > ENDING_MS))
      broken.push(`P8 ${node}: an ending took ${Math.round(ended - begun)} ms`);
  }

  const places = log.map((entry) => positionAt(entry, 0));
  const indexOf = new Map(places.map((place, index) => [place, index]));
  const last = new Map<string, number | null>();
  const visible = (index: number): boolean => log[index]!.collection !== 'nodes';
  for (const { node, position } of history.feeds) {
    if (position === 'resync') last.set(node, null);
    else {
      const index = indexOf.get(position);
      if (index === undefined) {
        broken.push(`P5 ${node} delivered something that was never committed`);
        continue;
      }
      const before = last.get(node);
      if (before !== undefined && before !== null) {
        if (index <= before) broken.push(`P5 ${node} went back in the feed`);
        for (let missed = before + 1; missed < index; missed += 1) {
          if (visible(missed)) broken.push(`P5 ${node} skipped ${places[missed]} and said nothing`);
        }
      }
      last.set(node, index);
    }
  }
  for (const { node, from, to, got } of history.resumes) {
    if (got === 'resync') continue;
    const due = places.filter((place) => place > from && place <= to);
    if (due.length !== got.length || due.some((place, index) => got[index] !== place))
      broken.push(`P5 ${node} left a hole after ${from}`);
  }

  const end = new Map(history.revoked.map(({ session, time }) => [session, time]));
  for (const { session, time } of [...history.revoked].reverse()) end.set(session, time);
  for (const { session, node, what, time } of history.processed) {
    if (time > (end.get(session) ?? Infinity))
      broken.push(`P8 ${node}: a ${what} of ${session}, ${Math.round(time - end.get(session)!)} ms after its end`);
  }
  const sessionOf = new Map(history.calls.map(({ effect, session }) => [effect, session]));
  for (const { effect, node, time } of history.sent) {
    const over = end.get(sessionOf.get(effect) ?? '') ?? Infinity;
    if (time > over) broken.push(`P8 ${node}: wrote ${effect}, ${Math.round(time - over)} ms after the end of its session`);
  }

  for (const { uuid, begun, node, rev, stale, behind } of history.reads) {
    const bound = begun - (behind ? BEHIND_MS : stale ? STALE_MS : LATE_MS);
    const due =
      chains
        .get(uuid)
        ?.filter(({ committedAt }) => committedAt! < bound)
        .at(-1)?.document ?? null;
    if (rev >= 0 && rev < revOf(due)) broken.push(`cache: ${node} read revision ${rev} of ${uuid}, ${revOf(due)} was due`);
  }
  for (const { name, cache, node, host } of processes) {
    if (!host.alive) continue;
    if (node.state !== 'serving') broken.push(`recovery: ${name} is ${node.state} after all faults`);
    for (const [uuid, chain] of chains) {
      const kept = cache.get('devices', uuid);
      if (kept && revOf(kept) !== revOf(chain.at(-1)!.document))
        broken.push(`cache: ${name} keeps revision ${revOf(kept)} of ${uuid} for ever`);
    }
  }
  broken.push(...checkPeers(history, chains, until));
  for (const alarm of history.alarms) broken.push(`alarm: ${alarm}`);
  return broken;
};
