import type { Metrics } from './metrics.ts';
import { asyncapi } from './describe/asyncapi.ts';
import { openapi } from './describe/openapi.ts';
import type { Operation } from './registry.ts';
import type { Page } from './transports/http.ts';

const json = 'application/json; charset=utf-8';

/** What is served beside the operations: health, figures, and the documents written from the contract. */
export const pagesOf = (sources: {
  readonly operations: ReadonlyMap<string, Operation>;
  readonly metrics: Metrics;
  /** The key that signs webhooks, PEM. */
  readonly publicKey: () => Promise<string>;
  /** Fails if the store cannot be reached. */
  readonly ping: () => Promise<unknown>;
  readonly isServing: () => boolean;
}): readonly Page[] => {
  const written = (path: string, document: unknown): Page => {
    const text = JSON.stringify(document);
    return { path, type: json, read: () => ({ text }) };
  };
  const alive = (path: string): Page => ({ path, type: json, read: () => ({ text: '{"online":true}' }) });
  return [
    { path: '/healthz', type: json, read: () => ({ text: '{"status":"ok"}' }) },
    {
      path: '/readyz',
      type: json,
      async read() {
        const ready =
          sources.isServing() &&
          (await sources.ping().then(
            () => true,
            () => false,
          ));
        return { status: ready ? 200 : 503, text: JSON.stringify({ ready }) };
      },
    },
    {
      path: '/metrics',
      type: 'text/plain; version=0.0.4; charset=utf-8',
      read: async () => ({ text: await sources.metrics.text() }),
    },
    written('/openapi.json', openapi(sources.operations)),
    written('/asyncapi.json', asyncapi(sources.operations)),
    { path: '/publickey', type: json, read: async () => ({ text: JSON.stringify({ publicKey: await sources.publicKey() }) }) },
    alive('/healthcheck'),
    alive('/ping'),
    alive('/proofoflife'),
  ];
};
