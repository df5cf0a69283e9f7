import type { Readable } from 'node:stream';
import multipart from '@fastify/multipart';
import { RegistryError } from '@rollcall/client/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { BackupJobs, Maintenance } from '../../backup/jobs.ts';
import type { DialectAnswer } from '../dialects/dialect.ts';
import { unhurried } from '../listener.ts';

/** Source and destination of archives. */
export interface Archives {
  readonly offer: Maintenance['offer'];
  readonly newest: BackupJobs['newest'];
}

/** A route whose request or answer is an archive. */
export interface ArchiveRoute extends Archives {
  readonly method: string;
  readonly url: string;
  readonly config: object;
  /** Runs the operation. `body`: its input. */
  respond(request: FastifyRequest, body: unknown): Promise<DialectAnswer>;
  write(reply: FastifyReply, answer: DialectAnswer): FastifyReply;
}

/** Time without data after which an upload is aborted, in milliseconds. */
const idleMs = 30_000;
/** Limits of a form: fields before the file, and their sizes. */
const formLimits = { files: 1, fields: 16, fieldSize: 65_536, parts: 32, headerPairs: 32 };

/** The file in a request: the field `file` of a form, otherwise the whole body. */
const fileIn = async (request: FastifyRequest): Promise<Readable> => {
  if (!request.isMultipart()) return request.raw;
  const part = await request.file().catch((error: unknown) => {
    // Only the form itself can be wrong here: its boundary, its headers, its end.
    throw new RegistryError('invalid-input', 'This is no form that can be read', { cause: error });
  });
  if (part?.fieldname !== 'file') throw new RegistryError('invalid-input', 'The form has no field file');
  return part.file;
};

/**
 * Serves an archive route.
 * The caller is authorised before the first byte is read: the operation reads the archive itself.
 */
export const serveArchives = async (app: FastifyInstance, route: ArchiveRoute): Promise<void> => {
  const { method, url, config, respond, write } = route;

  const receive = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { raw } = request;
    let hurry = (): void => undefined;
    const { name, withdraw } = route.offer(async () => {
      hurry = unhurried(raw);
      raw.setTimeout(idleMs, () => raw.destroy());
      return fileIn(request);
    });
    try {
      const answer = await respond(request, name);
      return await write(reply, answer);
    } finally {
      withdraw();
      raw.setTimeout(0);
      if (!raw.readableEnded) {
        // Data that still arrives is discarded, within a time limit.
        raw.unpipe();
        raw.resume();
        hurry();
      }
    }
  };

  const send = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const answer = await respond(request, undefined);
    if (answer.status !== 200) return write(reply, answer);
    const archive = await route.newest();
    if (archive === null) throw new RegistryError('not-found');
    const { id, file, bytes } = archive;
    const headers = {
      'cache-control': 'no-store',
      'content-disposition': `attachment; filename="rollcall_${id.replaceAll(/[^\w.-]/g, '-')}"`,
      'content-length': String(bytes),
    };
    return reply
      .headers(headers)
      .type('application/octet-stream')
      .send(file.createReadStream({ start: 0 }));
  };

  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _body, done) => done(null));
    await scope.register(multipart, { limits: { ...formLimits, fileSize: Number.MAX_SAFE_INTEGER } });
    scope.route({ method, url, config, handler: method === 'GET' ? send : receive });
  });
};
