import { connect, type Socket } from 'node:net';
import type { HttpJob, Loop } from './jobs.ts';
import { recorded, together, type Recorder } from './loop.ts';

/** One connection that is kept, with one request on it at a time; it reads no more of an answer than it has to. */
interface Line {
  /** Sends a request; told the status when the answer is complete. */
  ask(request: string, answered: (status: number) => void): void;
  close(): void;
}

const openLine = (url: string): Promise<Line> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket: Socket = connect(Number(port), hostname).setNoDelay(true);
    let waiting: ((status: number) => void) | undefined;
    let received = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      received += text;
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(received.slice(0, end))?.[1] ?? 0);
      if (received.length < end + 4 + length) return;
      const status = Number(received.slice(9, 12));
      received = received.slice(end + 4 + length);
      waiting?.(status);
    });
    socket.on('error', reject);
    socket.on('connect', () =>
      resolve({
        ask(request, answered) {
          waiting = answered;
          socket.write(request);
        },
        close: () => socket.destroy(),
      }),
    );
  });

const inTurn = (recorder: Recorder, line: Line, request: () => string): Promise<void> =>
  new Promise((resolve) => {
    const next = (): void => {
      if (!recorder.isRunning()) return resolve();
      const beganAt = performance.now();
      line.ask(request(), (status) => {
        if (status === 200) recorder.completed(beganAt);
        else recorder.failed(String(status));
        next();
      });
    };
    next();
  });

/** Asks for the paths of a job in turn, on so many connections, each with one request at a time. */
export const runHttp = async ({ url, paths, bodies, headers, connections, ...span }: HttpJob): Promise<Loop> => {
  const lines = await Promise.all(Array.from({ length: connections }, () => openLine(url)));
  const fixed = Object.entries({ host: new URL(url).host, ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const posts = (bodies ?? []).map(
    (body) => `${fixed}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const [method, rest] = bodies === undefined ? ['GET', [`${fixed}\r\n`]] : ['POST', posts];
  const requests = Array.from({ length: Math.max(paths.length, rest.length) }, (_, index) => {
    const path = paths[index % paths.length] ?? '';
    return `${method} ${path} HTTP/1.1\r\n${rest[index % rest.length] ?? ''}`;
  });
  let count = 0;
  const request = (): string => requests[count++ % requests.length] ?? '';
  const loop = await recorded(span, (recorder) =>
    together(connections, (index) => inTurn(recorder, lines[index] as Line, request)),
  );
  lines.forEach((line) => line.close());
  return loop;
};
