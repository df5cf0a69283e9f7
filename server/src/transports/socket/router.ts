import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Server as EngineServer } from 'engine.io';
import type { Admission } from './admission.ts';
import { backlogLimits } from './backlog.ts';
import { boundResponse, readPath } from './legacy.ts';
import { allowPage, answerPreflight, isAllowedOrigin } from './origins.ts';
import { readTarget, refusals, refuseRequest, refuseUpgrade } from './target.ts';
import type { Refusal, Target } from './target.ts';

/** What the router stands in front of. */
export interface RouterOptions {
  readonly main: EngineServer;
  readonly legacy: EngineServer | null;
  readonly origins: readonly string[];
  readonly admission: Admission;
}

/** Takes what is Engine.IO's from an HTTP server. */
export interface Router {
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
}

const ignore = (): void => {};

/**
 * Sends each request to the engine of its `EIO` parameter, or turns it away before any engine sees it: other versions, foreign origins, paths
 * that nobody has, JSONP.
 */
export const openRouter = ({ main, legacy, origins, admission }: RouterOptions): Router => {
  const allowed = new Set(origins);

  const choose = (request: IncomingMessage, { pathname, query }: Target): EngineServer | Refusal => {
    if (query['EIO'] === '4') {
      if (!isAllowedOrigin(request, allowed)) return refusals.forbidden;
      if (readPath(pathname) !== 'main') return refusals.badRequest;
      return query['sid'] ? refusals.unknownSession : main;
    }
    if (query['EIO'] !== '3' || !legacy) return refusals.unsupportedVersion;
    if (allowed.size > 0 && !isAllowedOrigin(request, allowed)) return refusals.forbidden;
    return readPath(pathname) === undefined || query['j'] !== undefined ? refusals.badRequest : legacy;
  };

  /** Only a handshake passes the door; the further requests of a session are inside. */
  const enter = (request: IncomingMessage, { query }: Target, accept: () => void, refuse: (refusal: Refusal) => void): void => {
    if (query['sid']) return accept();
    const { socket } = request;
    admission.admit({
      address: socket.remoteAddress ?? '',
      isGone: () => socket.destroyed,
      accept,
      refuse: (reason) => refuse(refusals[reason]),
    });
  };

  return {
    handle(request, response) {
      const target = readTarget(request);
      if (!target) return false;
      const engine = choose(request, target);
      const refuse = (refusal: Refusal): void => refuseRequest(response, refusal);
      if (!(engine instanceof EngineServer)) {
        refuse(engine);
        return true;
      }
      if (engine === legacy) {
        allowPage(request, response);
        boundResponse(response, backlogLimits.drainMs);
      }
      if (engine === legacy && request.method === 'OPTIONS') {
        answerPreflight(request, response);
        return true;
      }
      enter(request, target, () => engine.handleRequest(Object.assign(request, { _query: target.query }), response), refuse);
      return true;
    },

    upgrade(request, socket, head) {
      const target = readTarget(request);
      if (!target) return false;
      // Nobody else listens while the handshake waits; an error without a listener would end the process.
      socket.on('error', ignore);
      const engine = choose(request, target);
      const refuse = (refusal: Refusal): void => refuseUpgrade(socket, refusal);
      if (!(engine instanceof EngineServer)) refuse(engine);
      else
        enter(
          request,
          target,
          () => engine.handleUpgrade(Object.assign(request, { _query: target.query }), socket, head),
          refuse,
        );
      return true;
    },
  };
};
