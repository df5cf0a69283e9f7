import type { Metrics } from './metrics.ts';
import { asyncapi } from '../operations/describe/asyncapi.ts';
import { openapi, type PageForm } from '../operations/describe/openapi.ts';
import type { Json } from '../operations/describe/schema.ts';
import type { TableOperation } from '../operations/operation-table.ts';
import { formOf } from '../transports/dialects/index.ts';
import { hookForms } from '../transports/http/broker-hooks.ts';
import { loginPages } from '../transports/http/login-page.ts';
import { liveForm } from '../transports/http/live-stream.ts';
import type { Page } from '../transports/http/page.ts';

const json = 'application/json; charset=utf-8';

const object = (properties: Json): Json => ({ type: 'object', required: Object.keys(properties), properties });
const good = (schema: Json): PageForm['answers'] => [{ status: 200, schema }];
const online = good(object({ online: { const: true } }));
const ready = object({ ready: { type: 'boolean' } });

/** OpenAPI descriptions of the pages. */
const pageForms: readonly PageForm[] = [
  { path: '/healthz', summary: 'Does the process live?', answers: good(object({ status: { const: 'ok' } })) },
  {
    path: '/readyz',
    summary: 'Is the store reached and the feed running?',
    answers: [...good(ready), { status: 503, schema: ready }],
  },
  {
    path: '/metrics',
    summary: "Figures in Prometheus' text format.",
    answers: [{ status: 200, type: 'text/plain', schema: { type: 'string' } }],
  },
  { path: '/openapi.json', summary: 'This document.', answers: good({ type: 'object' }) },
  { path: '/asyncapi.json', summary: 'The same of the events.', answers: good({ type: 'object' }) },
  { path: '/publickey', summary: 'The key that signs webhooks, PEM.', answers: good(object({ publicKey: { type: 'string' } })) },
  { path: '/healthcheck', summary: 'Is the registry there?', answers: online },
  { path: '/ping', summary: 'Is the registry there?', answers: online },
  { path: '/proofoflife', summary: 'Is the registry there?', answers: online },
  { path: '/login', summary: 'The login form.', answers: [{ status: 200, type: 'text/html', schema: { type: 'string' } }] },
  {
    path: '/docs',
    summary: 'This document to read and to try.',
    answers: [{ status: 200, type: 'text/html', schema: { type: 'string' } }],
  },
  ...hookForms,
  liveForm,
];

const written = new WeakMap<ReadonlyMap<string, TableOperation>, Json>();

/** The OpenAPI document of the operations and pages, generated once per process. */
export const describeHttp = (operations: ReadonlyMap<string, TableOperation>): Json => {
  const document = written.get(operations) ?? openapi(operations, formOf, pageForms);
  written.set(operations, document);
  return document;
};

/** Pages beside the operations: health checks, metrics and generated documents. */
export const pagesOf = (sources: {
  readonly operations: ReadonlyMap<string, TableOperation>;
  /** The OpenAPI document. */
  readonly document: Json;
  readonly metrics: Metrics;
  /** The public key that verifies webhook signatures, PEM. */
  readonly publicKey: () => Promise<string>;
  /** Fails if the store cannot be reached. */
  readonly ping: () => Promise<unknown>;
  readonly isServing: () => boolean;
}): readonly Page[] => {
  const constant = (path: string, document: unknown): Page => {
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
    constant('/openapi.json', sources.document),
    constant('/asyncapi.json', asyncapi(sources.operations)),
    { path: '/publickey', type: json, read: async () => ({ text: JSON.stringify({ publicKey: await sources.publicKey() }) }) },
    alive('/healthcheck'),
    alive('/ping'),
    alive('/proofoflife'),
    ...loginPages,
  ];
};
