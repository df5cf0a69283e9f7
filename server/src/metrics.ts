import { Counter, Gauge, Histogram, Registry as Figures, collectDefaultMetrics } from 'prom-client';
import { RegistryError } from '@rollcall/client/contract';
import type { Connections } from './connections.ts';
import type { Handled } from './implement.ts';
import type { Call } from './pipeline.ts';
import type { Operation } from './registry.ts';
import type { EngineStats } from './transports/socket/engines.ts';

type Dispatch = (operation: Operation, call: Call) => Promise<Handled<unknown>>;

/** The registry's figures, in Prometheus' text format. */
export interface Metrics {
  /** The same pipeline, with each call counted and timed by operation and outcome. */
  measured(dispatch: Dispatch): Dispatch;
  text(): Promise<string>;
}

/** Seconds. */
const buckets = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

/** Figures of one registry; several in one process do not mix. */
export const openMetrics = (sources: {
  readonly connections: Connections;
  readonly cache: { readonly size: number };
  readonly transport: () => EngineStats;
}): Metrics => {
  const figures = new Figures();
  const registers = [figures];
  collectDefaultMetrics({ register: figures });
  const calls = new Counter({
    name: 'rollcall_calls_total',
    help: 'Calls by operation and outcome.',
    labelNames: ['operation', 'code'],
    registers,
  });
  const seconds = new Histogram({
    name: 'rollcall_call_seconds',
    help: 'Time of a call in the pipeline.',
    labelNames: ['operation'],
    buckets,
    registers,
  });
  new Gauge({
    name: 'rollcall_connections',
    help: 'Identified connections of this node.',
    registers,
    collect() {
      this.set(sources.connections.size);
    },
  });
  const transport = (name: string, help: string, read: (stats: EngineStats) => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(sources.transport()));
      },
    });
  };
  transport('rollcall_transports', 'Open transports of this node, identified or not.', ({ connections }) => connections);
  transport('rollcall_slow_drops', 'Connections closed because they did not read.', ({ slowDrops }) => slowDrops);
  transport('rollcall_rejected_packets', 'Packets that the guard refused.', ({ rejectedPackets }) => rejectedPackets);
  new Gauge({
    name: 'rollcall_cached_documents',
    help: 'Documents in the cache of this node.',
    registers,
    collect() {
      this.set(sources.cache.size);
    },
  });

  return {
    measured: (dispatch) => async (operation, call) => {
      const begun = performance.now();
      let code = 'ok';
      try {
        return await dispatch(operation, call);
      } catch (error) {
        code = error instanceof RegistryError ? error.code : 'internal';
        throw error;
      } finally {
        calls.inc({ operation: operation.name, code });
        seconds.observe({ operation: operation.name }, (performance.now() - begun) / 1000);
      }
    },
    text: () => figures.metrics(),
  };
};
