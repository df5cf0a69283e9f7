import { RegistryError } from '@rollcall/client/contract';
import { packetTypes, readPacket, Rejected } from './packet.ts';
import type { Packet } from './packet.ts';

/** Options of the guarded parser, which depend on its engine. */
export interface ParserOptions {
  /** Does the client ask for the namespace with one CONNECT? Engine.IO 3 clients are in it without asking. */
  readonly connects: boolean;
  /** Longest acknowledgement that is sent, in characters; in the place of a longer one `too-large` goes out. */
  readonly maxAnswerLength: number;
  /** Longest packet with a message to devices that is parsed, in bytes. All others are bounded by `maxInputBytes`. */
  readonly maxFrameBytes: number;
  /** Final conversion of an outgoing text. */
  readonly finish?: (text: string) => string;
  /** Called once for each packet refused, answered or not. */
  readonly onRejected: () => void;
}

/** What Socket.IO calls of an encoder: a packet becomes one text. */
export interface PacketEncoder {
  encode(packet: Packet): [string];
}

/** What Socket.IO calls of a decoder: it listens to `decoded` and to nothing else, and closes the transport when `add` throws. */
export interface PacketDecoder {
  on(event: 'decoded', listener: (packet: Packet) => void): void;
  removeListener(): void;
  add(data: unknown): void;
  destroy(): void;
}

/** A parser as Socket.IO's option `parser` takes it. */
export interface SocketParser {
  readonly Encoder: new () => PacketEncoder;
  readonly Decoder: new () => PacketDecoder;
}

/**
 * Creates a Socket.IO parser that checks packets with `readPacket`, for text only.
 * A second CONNECT on one transport is refused as well.
 */
export const guardedParser = ({ connects, maxAnswerLength, maxFrameBytes, finish, onRejected }: ParserOptions): SocketParser => {
  const tooLarge = JSON.stringify([new RegistryError('too-large').toFailure()]);

  class Encoder implements PacketEncoder {
    encode({ type, id, data }: Packet): [string] {
      const head = id === undefined ? `${type}` : `${type}${id}`;
      if (data === undefined) return [head];
      const body = JSON.stringify(data);
      const text = head + (type === packetTypes.ack && body.length > maxAnswerLength ? tooLarge : body);
      return [finish ? finish(text) : text];
    }
  }

  class Decoder implements PacketDecoder {
    #listener: ((packet: Packet) => void) | undefined;
    #mayConnect = connects;
    /** Binary messages that are still to come with a refused packet. */
    #attachments = 0;

    on(_event: 'decoded', listener: (packet: Packet) => void): void {
      this.#listener = listener;
    }

    removeListener(): void {
      this.#listener = undefined;
    }

    destroy(): void {
      this.#listener = undefined;
    }

    add(data: unknown): void {
      const packet = this.#read(data);
      if (packet !== undefined) this.#listener?.(packet);
    }

    #read(data: unknown): Packet | undefined {
      try {
        if (this.#attachments > 0 && typeof data !== 'string') {
          this.#attachments -= 1;
          return undefined;
        }
        if (typeof data !== 'string' || this.#attachments > 0) throw new TypeError('Refused packet: binary');
        const packet = readPacket(data, maxFrameBytes);
        if (packet.type === packetTypes.connect) this.#connect();
        this.#attachments = packet.attachments ?? 0;
        if (Array.isArray(packet.data) && packet.data[1] instanceof Rejected) onRejected();
        return packet;
      } catch (error) {
        onRejected();
        throw error;
      }
    }

    #connect(): void {
      if (!this.#mayConnect) throw new Error('Refused packet: second CONNECT');
      this.#mayConnect = false;
    }
  }

  return { Encoder, Decoder };
};
