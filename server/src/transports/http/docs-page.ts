import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import type { Json } from '../../operations/describe/schema.ts';
import { closedPolicy } from './security-headers.ts';

/**
 * Content security policy of the page: its own origin only. Style attributes and data icons are
 * allowed.
 */
const pagePolicy = {
  ...closedPolicy,
  'connect-src': ["'self'"],
  'img-src': ["'self'", 'data:'],
  'script-src': ["'self'"],
  'style-src': ["'self'", "'unsafe-inline'"],
};

/** Serves Swagger UI with this OpenAPI document at `/docs`, the document itself at `/docs/json` and `/docs/yaml`. */
export const serveDocs = async (app: FastifyInstance, document: Json): Promise<void> => {
  await app.register(swagger, { mode: 'static', specification: { document: document as never } });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: pagePolicy,
    uiConfig: { deepLinking: true, tagsSorter: 'alpha', validatorUrl: null },
  });
};
