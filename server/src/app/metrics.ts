import { Counter, Gauge, Registry as Figures, collectDefaultMetrics } from 'prom-client';
import { RegistryError } from '@rollcall/client/contract';
import type { Connections } from '../realtime/connections.ts';
import type { Result } from '../operations/handler.ts';
import type { RetainedFigures } from '../mqtt/retained-usage.ts';
import type { Call } from '../operations/pipeline.ts';
import type { TableOperation } from '../operations/operation-table.ts';
import type { EngineStats } from '../transports/socketio/engines.ts';

type Dispatch = (operation: TableOperation, call: Call) => Promise<Result<unknown>>;

/** Metrics of the registry in the Prometheus text format. */
export interface Metrics {
  /** Wraps the pipeline so that each call is counted and timed by operation and outcome. */
  measured(dispatch: Dispatch): Dispatch;
  /** Counts a refusal outside of calls. `kind` is one of a few fixed names. */
  refused(kind: string): void;
  text(): Promise<string>;
}

/** Totals of the calls of one operation with one outcome. */
interface Spent {
  calls: number;
  ms: number;
}

/** Metrics of the process. Created once per process, because they are collected until it exits. */
export const createProcessFigures = (): Figures => {
  const figures = new Figures();
  collectDefaultMetrics({ register: figures });
  return figures;
};

/** Metrics of one registry, separate from other registries in the process. */
export const createMetrics = (sources: {
  readonly process: Pick<Figures, 'metrics'>;
  readonly connections: Connections;
  readonly cache: { readonly size: number };
  readonly transport: () => EngineStats;
  readonly retained: () => RetainedFigures;
  readonly spreads: () => { readonly cutOff: number };
}): Metrics => {
  const figures = new Figures();
  const registers = [figures];
  const spent = new Map<TableOperation, Map<string, Spent>>();
  const perCall = (name: string, help: string, read: (one: Spent) => number): void => {
    new Counter({
      name,
      help,
      labelNames: ['operation', 'code'],
      registers,
      collect() {
        this.reset();
        for (const [operation, byCode] of spent) {
          for (const [code, one] of byCode) this.inc({ operation: operation.name, code }, read(one));
        }
      },
    });
  };
  perCall('rollcall_calls_total', 'Calls by operation and outcome.', ({ calls }) => calls);
  perCall('rollcall_call_seconds_total', 'Time of calls in the pipeline, by operation and outcome.', ({ ms }) => ms / 1000);

  /** Counts one call. Labels are created only when the metrics are read. */
  const count = (operation: TableOperation, code: string, ms: number): void => {
    let byCode = spent.get(operation);
    if (byCode === undefined) spent.set(operation, (byCode = new Map<string, Spent>()));
    let one = byCode.get(code);
    if (one === undefined) byCode.set(code, (one = { calls: 0, ms: 0 }));
    one.calls += 1;
    one.ms += ms;
  };

  const refusals = new Counter({
    name: 'rollcall_refusals_total',
    help: 'What was refused before or without an answer, by kind.',
    labelNames: ['kind'],
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
  const gauge = <T>(source: () => T, name: string, help: string, read: (figures: T) => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(source()));
      },
    });
  };
  const { transport, retained, spreads } = sources;
  gauge(transport, 'rollcall_transports', 'Open transports of this node, identified or not.', ({ connections }) => connections);
  gauge(transport, 'rollcall_slow_drops', 'Connections closed because they did not read.', ({ slowDrops }) => slowDrops);
  gauge(transport, 'rollcall_rejected_packets', 'Packets that the guard refused.', ({ rejectedPackets }) => rejectedPackets);
  gauge(retained, 'rollcall_mqtt_retained', 'Retained MQTT messages.', ({ messages }) => messages);
  gauge(retained, 'rollcall_mqtt_retained_bytes', 'Bytes of their topics and payloads.', ({ bytes }) => bytes);
  gauge(retained, 'rollcall_mqtt_retained_dropped', 'MQTT messages that were not retained: too many.', ({ dropped }) => dropped);
  new Counter({
    name: 'rollcall_messages_cut_off_total',
    help: 'Messages and changes that reached ROLLCALL_MESSAGE_DELIVERIES: their other deliveries were left out.',
    registers,
    collect() {
      this.reset();
      this.inc(spreads().cutOff);
    },
  });
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
      try {
        const handled = await dispatch(operation, call);
        count(operation, 'ok', performance.now() - begun);
        return handled;
      } catch (error) {
        count(operation, error instanceof RegistryError ? error.code : 'internal', performance.now() - begun);
        throw error;
      }
    },
    refused: (kind) => refusals.inc({ kind }),
    text: async () => (await sources.process.metrics()) + (await figures.metrics()),
  };
};
