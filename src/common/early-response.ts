/**
 * Responses of node:http that may end before their request has been read. A short rest of the request is read, and the
 * connection goes on. Otherwise the response says that it is the last one, so that no request is sent behind it, and the
 * connection closes in order: were it closed with bytes that nobody has read, TCP would reset it, and the peer could lose the
 * response (RFC 9112, section 9.6).
 */
import {
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Boundary } from "./boundary.ts";
import { type Clock, systemClock } from "./clock.ts";

/** A connection goes on behind a rest that has at most so many bytes. */
const SHORT_REST_BYTES = 256 * 1024;

/** What is read and thrown away of a request that is answered already. Nothing of what comes behind it is read. */
const REST_MAX_BYTES = 8 * 2 ** 20;

/** How long a connection on which more came stays open behind the end of the response, so that its peer can read that. */
const LINGER_MS = 2_000;

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[];

/** For the option `ServerResponse` of servers. The time for what is read is that for the whole request. */
export function earlyResponses(boundary: Boundary, clock: Clock = systemClock): typeof ServerResponse {
  return class EarlyResponse<
    Request extends IncomingMessage = IncomingMessage,
  > extends ServerResponse<Request> {
    override writeHead(status: number, message?: string, headers?: Headers): this;
    override writeHead(status: number, headers?: Headers): this;
    override writeHead(...args: unknown[]): this {
      if (!this.req.complete && isLong(this.req)) this.shouldKeepAlive = false;
      return Reflect.apply(super.writeHead, this, args);
    }

    override end(done?: () => void): this;
    override end(chunk: unknown, done?: () => void): this;
    override end(chunk: unknown, encoding: BufferEncoding, done?: () => void): this;
    override end(...args: unknown[]): this {
      Reflect.apply(super.end, this, args);
      if (!this.req.complete) readRest(this.req, this, boundary, clock);
      return this;
    }
  };
}

/** Whether it may have more than a short rest. */
function isLong({ headers }: IncomingMessage): boolean {
  if (headers["transfer-encoding"] !== undefined) return true;
  return Number(headers["content-length"] ?? 0) > SHORT_REST_BYTES;
}

function readRest(
  request: IncomingMessage,
  response: ServerResponse,
  boundary: Boundary,
  clock: Clock,
): void {
  const { socket } = request;
  const readBytes = socket.bytesRead;
  const discard = boundary.guard(socket, () => {
    if (socket.bytesRead - readBytes <= REST_MAX_BYTES) return;
    request.off("data", discard);
    request.pause();
    linger(response, socket, boundary, clock);
  });
  request.on("data", discard);
  // Somebody may have stopped it.
  request.resume();
  closeBehind(request, socket, boundary);
}

function linger(response: ServerResponse, socket: Socket, boundary: Boundary, clock: Clock): void {
  const close = boundary.guard(socket, () => socket.destroy());
  const wait = boundary.guard(socket, () => {
    const timer = clock.schedule(LINGER_MS, close);
    socket.once(
      "close",
      boundary.guard(socket, () => timer.cancel()),
    );
  });
  if (response.writableFinished) wait();
  else response.once("finish", wait);
}

/** When Node closes the connection behind the response: at first only this direction, until the request is read. */
function closeBehind(request: IncomingMessage, socket: Socket, boundary: Boundary): void {
  const close = () => {
    Reflect.deleteProperty(socket, "destroySoon");
    socket.destroySoon();
  };
  socket.destroySoon = boundary.guard(socket, () => {
    if (request.complete) {
      close();
      return;
    }
    socket.end();
    request.once("end", boundary.guard(socket, close));
  });
}
