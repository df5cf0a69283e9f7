import { serverError } from './errors.ts';

/** Longest time a read keeps the event loop, in milliseconds. */
const sliceMs = 10;

export interface YieldLimits {
  signal?: AbortSignal | undefined;
  /** Longest time of the whole read in milliseconds (code 50); 0 or undefined for none. */
  maxTimeMS?: number | undefined;
}

/** Lets long reads give way to the event loop, and ends them when they are aborted or out of time. */
export interface YieldPoint {
  /** Whether it is time to wait for `rest` before going on. */
  due(): boolean;
  rest(): Promise<void>;
}

export function yieldToEventLoop({ signal, maxTimeMS }: YieldLimits): YieldPoint {
  signal?.throwIfAborted();
  const end = maxTimeMS === undefined || maxTimeMS === 0 ? Infinity : performance.now() + maxTimeMS;
  let slice = performance.now() + sliceMs;
  return {
    due: () => performance.now() >= slice,
    async rest() {
      await new Promise(setImmediate);
      signal?.throwIfAborted();
      if (performance.now() > end) throw serverError(50, 'operation exceeded time limit');
      slice = performance.now() + sliceMs;
    },
  };
}
