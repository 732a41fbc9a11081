/**
 * Stops and resumes the reading of sockets at their handles. A socket that is only paused reads 64 KiB more, and node:http2 reads
 * without the socket's stream, up to two megabytes in one turn of the event loop. This file alone uses that private part of Node.
 */
import type { Socket } from "node:net";
import type { Reading } from "./readers.ts";

interface Handle {
  readStop(): unknown;
  readStart(): unknown;
  /** What Node believes: it starts only what it has stopped. */
  reading?: boolean;
  readonly writeQueueSize?: number;
}

const stopped = new WeakSet<Socket>();

/** Has to be called before the socket is stopped: its stream, which wants to have something to give, would start it again. */
export function holdSocket(socket: Socket): void {
  const read = socket._read;
  socket._read = (bytes) => {
    if (!stopped.has(socket)) read.call(socket, bytes);
  };
}

/** The socket is paused, and nothing more is read from the network. May be called again. */
export function stopSocket(socket: Socket): void {
  socket.pause();
  const handle = handleOf(socket);
  if (handle === undefined) return;
  stopped.add(socket);
  handle.reading = false;
  handle.readStop();
}

/** Emits what it has, and reads on. May be called again. */
export function startSocket(socket: Socket): void {
  const wasStopped = stopped.delete(socket);
  socket.resume();
  const handle = wasStopped ? handleOf(socket) : undefined;
  if (handle === undefined) return;
  handle.reading = true;
  handle.readStart();
}

/** Of a socket that node:http2 has taken over. */
export class SocketReading implements Reading {
  /** It takes what it reads at once. */
  readonly unreadBytes = 0;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  stop(): void {
    handleOf(this.#socket)?.readStop();
  }

  resume(): boolean {
    const handle = handleOf(this.#socket);
    // node:http2 reads nothing of a peer that does not take its answers.
    if (handle?.writeQueueSize !== undefined && handle.writeQueueSize > 0) return false;
    handle?.readStart();
    return true;
  }

  readRest(): void {}
}

/** Of a socket whose TLS handshake is under way: TLS reads its handle. */
export class HandshakeReading implements Reading {
  readonly unreadBytes = 0;
  readonly #socket: Socket;
  #isOver = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  stop(): void {
    if (!this.#isOver) handleOf(this.#socket)?.readStop();
  }

  resume(): boolean {
    handleOf(this.#socket)?.readStart();
    return true;
  }

  readRest(): void {}

  /** From now on it is read as what is served on it wants. */
  end(): void {
    this.#isOver = true;
    this.resume();
  }
}

/** Undefined: the socket is closed, or this version of Node has no such handle. Then reading is not bounded. */
function handleOf(socket: Socket): Handle | undefined {
  const handle: unknown = socket.destroyed ? undefined : Reflect.get(socket, "_handle");
  return isHandle(handle) ? handle : undefined;
}

function isHandle(value: unknown): value is Handle {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof Reflect.get(value, "readStop") === "function" &&
    typeof Reflect.get(value, "readStart") === "function"
  );
}
