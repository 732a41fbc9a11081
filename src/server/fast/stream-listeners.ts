/** Reads a stream for a call of grpc-js, which listens to events as node:http2 emits them. */
import type { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import type { StreamReader } from "../calls/http2-stream.ts";

export class StreamListeners extends EventEmitter implements StreamReader {
  dataCame(chunk: Buffer): void {
    this.emit("data", chunk);
  }

  requestEnded(): void {
    this.emit("end");
  }

  trailersWanted(): void {
    this.emit("wantTrailers");
  }

  streamClosed(): void {
    this.emit("close");
  }
}
