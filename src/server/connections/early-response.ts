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
import type { Boundary } from "../../common/boundary.ts";

/** What is read of a request that is answered already. A connection on which more comes is closed at once. */
const REST_MAX_BYTES = 256 * 1024;

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[];

/** For the option `ServerResponse` of servers. The time for what is read is that for the whole request. */
export function earlyResponses(boundary: Boundary): typeof ServerResponse {
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
      if (!this.req.complete) readRest(this.req, boundary);
      return this;
    }
  };
}

/** Whether there may be more of it than is read. */
function isLong({ headers }: IncomingMessage): boolean {
  if (headers["transfer-encoding"] !== undefined) return true;
  return Number(headers["content-length"] ?? 0) > REST_MAX_BYTES;
}

function readRest(request: IncomingMessage, boundary: Boundary): void {
  const { socket } = request;
  const readBytes = socket.bytesRead;
  request.on(
    "data",
    boundary.guard(socket, () => {
      if (socket.bytesRead - readBytes > REST_MAX_BYTES) socket.destroy();
    }),
  );
  closeBehind(request, socket, boundary);
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
