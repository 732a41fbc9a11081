/**
 * Stops and resumes the reading of a socket that node:http2 has taken over. node:http2 reads a socket without its stream, and
 * up to two megabytes in one turn of the event loop, so `pause()` changes nothing: the handle itself has to stop. This file
 * alone uses that private part of Node.
 */
import type { Socket } from "node:net";
import type { Reading } from "../limits/readers.ts";

interface Handle {
  readStop(): unknown;
  readStart(): unknown;
  readonly writeQueueSize?: number;
}

export class SocketReading implements Reading {
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
