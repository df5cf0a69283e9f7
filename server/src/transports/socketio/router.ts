import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Server as EngineServer } from 'engine.io';
import type { ClientAddress } from '../../common/client-address.ts';
import type { HandshakeLimit } from './handshake-limit.ts';
import { unhurried } from '../listener.ts';
import { terminate } from './connection.ts';
import { whenReadable } from './intake.ts';
import { boundResponse, readPath, sessionOf } from './legacy.ts';
import { allowPage, answerPreflight, isAllowedOrigin } from '../../common/allowed-origin.ts';
import { readTarget, refusals, refuseRequest, refuseUpgrade } from './request-target.ts';
import type { Refusal, Target } from './request-target.ts';

/** What the router needs. */
export interface RouterOptions {
  readonly main: EngineServer;
  readonly legacy: EngineServer | null;
  readonly origins: readonly string[];
  readonly admission: HandshakeLimit;
  readonly clientAddress: ClientAddress;
  /** Time to read the answer to a poll, in milliseconds. */
  readonly drainMs: number;
}

/** Handles the Engine.IO requests of an HTTP server. */
export interface Router {
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  /** Every connection that came to `upgrade`, had its turn and is not closed yet, whatever became of it. */
  readonly sockets: ReadonlySet<Duplex>;
}

const ignore = (): void => {};

/**
 * Routes each request to the engine of its `EIO` parameter.
 * Other versions, foreign origins, unknown paths and JSONP are refused before any engine sees them.
 */
export const createRouter = ({ main, legacy, origins, admission, clientAddress, drainMs }: RouterOptions): Router => {
  const allowed = new Set(origins);
  const sockets = new Set<Duplex>();

  function forget(this: Duplex): void {
    sockets.delete(this);
  }

  const hold = (socket: Duplex): void => {
    if (!socket.destroyed) sockets.add(socket);
  };

  const choose = (request: IncomingMessage, { pathname, query }: Target): EngineServer | Refusal => {
    if (query['EIO'] === '4') {
      if (!isAllowedOrigin(request, allowed)) return refusals.forbidden;
      if (readPath(pathname) !== 'main') return refusals.badRequest;
      return query['sid'] ? refusals.unknownSession : main;
    }
    if (query['EIO'] !== '3' || !legacy) return refusals.unsupportedVersion;
    if (!isAllowedOrigin(request, allowed)) return refusals.forbidden;
    return readPath(pathname) === undefined || query['j'] !== undefined ? refusals.badRequest : legacy;
  };

  /**
   * Applies the handshake limit to handshakes and upgrades. Later requests of a session are not
   * limited.
   */
  const enter = (request: IncomingMessage, accept: () => void, refuse: (refusal: Refusal) => void): void => {
    const { socket } = request;
    admission.admit({
      address: clientAddress(request),
      isGone: () => socket.destroyed,
      accept,
      refuse: (reason) => refuse(refusals[reason]),
    });
  };

  /** Delays reading a polling client's request while too many of its calls wait. */
  const read = (engine: EngineServer, request: IncomingMessage, sid: string, accept: () => void, refuse: () => void): void => {
    const connection = request.method === 'POST' ? sessionOf(engine, sid) : undefined;
    if (connection === undefined) return accept();
    const hurry = unhurried(request);
    const isHeld = whenReadable(connection, () => {
      hurry();
      if (!request.destroyed) accept();
    });
    if (isHeld) return;
    refuse();
    terminate(connection, 'transport error');
  };

  return {
    sockets,

    handle(request, response) {
      const target = readTarget(request);
      if (!target) return false;
      const engine = choose(request, target);
      if (!(engine instanceof EngineServer)) {
        refuseRequest(response, engine);
        return true;
      }
      if (engine === legacy) {
        allowPage(request, response);
        boundResponse(response, drainMs);
      }
      const accept = (): void => engine.handleRequest(Object.assign(request, { _query: target.query }), response);
      if (engine === legacy && request.method === 'OPTIONS') answerPreflight(request, response);
      else if (target.query['sid'])
        read(engine, request, target.query['sid'], accept, () => refuseRequest(response, refusals.badRequest));
      else enter(request, accept, (refusal) => refuseRequest(response, refusal));
      return true;
    },

    upgrade(request, socket, head) {
      const target = readTarget(request);
      if (!target) return false;
      // No other listener exists while the handshake waits. An error without a listener would end
      // the process.
      socket.on('error', ignore);
      socket.once('close', forget);
      const refuse = (refusal: Refusal): void => {
        hold(socket);
        refuseUpgrade(socket, refusal);
      };
      const engine = choose(request, target);
      if (!(engine instanceof EngineServer)) refuse(engine);
      else {
        const accept = (): void => {
          hold(socket);
          engine.handleUpgrade(Object.assign(request, { _query: target.query }), socket, head);
        };
        enter(request, accept, refuse);
      }
      return true;
    },
  };
};
