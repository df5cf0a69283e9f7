/** A moment on both clocks, in milliseconds. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

export const now = (): Moment => ({ monotonic: performance.now(), wall: Date.now() });

/**
 * Time since a moment, in milliseconds, by the clock that says more: the monotonic one may stand still while a machine sleeps, the
 * other one may be set back. So no limit is ever overstepped unnoticed.
 */
export const elapsedMs = ({ monotonic, wall }: Moment): number => Math.max(performance.now() - monotonic, Date.now() - wall);
