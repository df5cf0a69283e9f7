import type { Static } from 'typebox';
import type { LiveStep } from './contract/live-change.ts';
import type { Device } from './events.ts';

/** One change of the result of a live query. Indexes are places in `rows`: `index` after the change, `previousIndex` before it. */
export type LiveEvent =
  | { readonly type: 'enter'; readonly device: Device; readonly index: number; readonly previousIndex: null }
  | { readonly type: 'change'; readonly device: Device; readonly index: number; readonly previousIndex: number }
  /** `device` as this client saw it last. */
  | { readonly type: 'leave'; readonly device: Device; readonly index: null; readonly previousIndex: number }
  /** The result was read anew: what changed is to be seen in `rows` alone. */
  | { readonly type: 'resync'; readonly device: null; readonly index: null; readonly previousIndex: null };

/** What the server says by `live:changed`. */
export interface LiveBody {
  readonly id: string;
  readonly seq: number;
  readonly steps?: readonly Static<typeof LiveStep>[];
  readonly resync?: true;
  readonly rows?: readonly Device[];
}

/** The result of a live query, as far as the client has been told. */
export class LiveResult {
  #rows: Device[] = [];
  #frozen: readonly Device[] | undefined;
  #version = 0;

  /** Counts the results. */
  get version(): number {
    return this.#version;
  }

  get rows(): readonly Device[] {
    this.#frozen ??= Object.freeze([...this.#rows]);
    return this.#frozen;
  }

  replace(rows: readonly Device[]): void {
    this.#rows = rows.map((device) => Object.freeze(device));
    this.#touched();
  }

  /** Takes steps one after the other; returns them as listeners are told. */
  step(steps: readonly Static<typeof LiveStep>[]): readonly LiveEvent[] {
    const events = steps.map((step): LiveEvent => {
      if (step.type === 'leave') {
        const { previousIndex } = step;
        const [device] = this.#rows.splice(previousIndex, 1) as [Device];
        return { type: 'leave', device, index: null, previousIndex };
      }
      const { index } = step;
      const device = Object.freeze(step.device);
      if (step.type === 'change') this.#rows.splice(step.previousIndex, 1);
      this.#rows.splice(index, 0, device);
      return step.type === 'change'
        ? { type: 'change', device, index, previousIndex: step.previousIndex }
        : { type: 'enter', device, index, previousIndex: null };
    });
    this.#touched();
    return events;
  }

  #touched(): void {
    this.#frozen = undefined;
    this.#version += 1;
  }
}
