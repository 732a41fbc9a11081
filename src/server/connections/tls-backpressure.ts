/**
 * Lets servers of node:http pause TLS sockets. While the peer takes no more of a response, node:http pauses the connection and its parser. A
 * paused TLS socket still passes on the records that it has decrypted, straight to the parser, which takes them for malformed,
 * and the connection is reset ("Parse Error: Paused", seen in Node 24.21): a client meets it that sends its next request as soon
 * as it has a long response. Behind a listener for data, the records go through the stream of the socket, which keeps them.
 */
import type { TLSSocket } from "node:tls";
import type { Boundary } from "../../common/boundary.ts";

/** For a socket that a server of node:http has begun to serve. */
export function keepWhilePaused(socket: TLSSocket, boundary: Boundary): void {
  boundary.contain(socket).on("data", () => {});
}
