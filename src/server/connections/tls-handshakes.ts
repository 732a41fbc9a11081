/**
 * Ends TLS: makes encrypted sockets of accepted ones, within bounds. What comes out is served as a socket without TLS would
 * be, by whichever HTTP/2.
 *
 * Sessions are not resumed. So each connection proves its certificate anew, to the authorities of that moment.
 */
import { constants } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { certifiedPeer } from "../../security/identity/certificate-identity.ts";
import type { Principal } from "../../security/identity/principal.ts";
import type { ServerTls } from "../../security/tls/server-tls.ts";
import { endsOf } from "../limits/socket-ends.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { CertifiedPeers } from "./certified-peers.ts";

/**
 * "failed": the peer broke it off, or broke its rules. "refused": it showed no certificate, none that is trusted, or one that is
 * not of one client. "late": it
 * took too long. "displaced": it was the oldest when there were too many.
 */
export type HandshakeOutcome = "completed" | "failed" | "refused" | "late" | "displaced";

export const SECURE_OPTIONS = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;

const NO_CERTIFICATE = "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE";
const CLOSED = "ECONNRESET";

interface TlsHandshakesDeps {
  readonly limits: Pick<TransportLimits, "handshakeMaxMs" | "handshakesMax">;
  readonly clock: Clock;
  readonly boundary: Boundary;
}

interface Handshake {
  readonly socket: Socket;
  readonly late: Timer;
  readonly done: (encrypted: TLSSocket, peer: Principal | undefined) => void;
}

export class TlsHandshakes {
  readonly counts: Record<HandshakeOutcome, number> = {
    completed: 0,
    failed: 0,
    refused: 0,
    late: 0,
    displaced: 0,
  };
  readonly #deps: TlsHandshakesDeps;
  readonly #server: Server;
  readonly #asksClients: boolean;
  readonly #peers: CertifiedPeers;
  /** By the addresses of both ends, the oldest first. */
  readonly #open = new Map<string, Handshake>();
  /** Handshakes that were given up here. Node is still to report each as failed. */
  #givenUp = 0;

  constructor(tls: ServerTls, deps: TlsHandshakesDeps) {
    this.#deps = deps;
    this.#asksClients = tls.asksClients;
    this.#peers = new CertifiedPeers(deps.clock, deps.boundary);
    this.#server = createServer({
      ...tls.options,
      requestCert: tls.asksClients,
      rejectUnauthorized: tls.asksClients,
      ALPNProtocols: ["h2"],
      secureOptions: SECURE_OPTIONS,
      // Node's own limit is on silence alone, and begins again with each byte.
      handshakeTimeout: 2 * deps.limits.handshakeMaxMs,
    });
    this.#server.on(
      "secureConnection",
      deps.boundary.guard(undefined, (encrypted: TLSSocket) => this.#completed(encrypted)),
    );
    this.#server.on(
      "tlsClientError",
      deps.boundary.guard(undefined, (error: Error, encrypted: TLSSocket) => this.#failed(error, encrypted)),
    );
  }

  /** New handshakes use this; connections are left as they are. */
  replace({ options, clientAuthorities }: ServerTls): void {
    this.#server.setSecureContext({ ...options, secureOptions: SECURE_OPTIONS });
    if (this.#asksClients) this.#peers.keepOf(clientAuthorities);
  }

  close(): void {
    this.#peers.close();
  }

  /** Calls `done` when the peer has completed the handshake. Else the socket ends, and the outcome is counted. */
  begin(socket: Socket, done: Handshake["done"]): void {
    const { limits, clock, boundary } = this.#deps;
    const ends = endsOf(socket);
    if (ends === undefined) {
      socket.destroy();
      return;
    }
    const late = clock.schedule(
      limits.handshakeMaxMs,
      boundary.guard(socket, () => this.#giveUp(ends, "late")),
    );
    this.#open.set(ends, { socket, late, done });
    socket.once("close", () => this.#settle(ends));
    const [oldest] = this.#open.keys();
    if (this.#open.size > limits.handshakesMax && oldest !== undefined) this.#giveUp(oldest, "displaced");
    this.#server.emit("connection", socket);
  }

  #completed(encrypted: TLSSocket): void {
    this.#deps.boundary.contain(encrypted);
    // Every error of a socket also closes it.
    encrypted.on("error", () => {});
    const ends = endsOf(encrypted);
    const handshake = ends === undefined ? undefined : this.#settle(ends);
    // A client that names no protocol, and so does not speak HTTP/2, completes it too.
    const speaks = encrypted.alpnProtocol === "h2";
    const peer = this.#asksClients ? certifiedPeer(encrypted) : undefined;
    const isRefused = this.#asksClients && peer === undefined;
    this.counts[speaks ? (isRefused ? "refused" : "completed") : "failed"] += 1;
    if (handshake === undefined || !speaks || isRefused) {
      encrypted.destroy();
      return;
    }
    if (peer !== undefined) this.#peers.add(encrypted, peer);
    handshake.done(encrypted, peer?.principal);
  }

  /** Node reports each handshake that is not completed, also when its socket has been destroyed. */
  #failed(error: Error, encrypted: TLSSocket): void {
    const code = "code" in error ? error.code : undefined;
    if (encrypted.authorizationError || code === NO_CERTIFICATE) this.counts.refused += 1;
    else if (code === CLOSED && this.#givenUp > 0) this.#givenUp -= 1;
    else this.counts.failed += 1;
    encrypted.destroy();
  }

  #giveUp(ends: string, outcome: "late" | "displaced"): void {
    const handshake = this.#settle(ends);
    if (handshake === undefined) return;
    this.counts[outcome] += 1;
    this.#givenUp += 1;
    handshake.socket.destroy();
  }

  /** Undefined: it was settled before. */
  #settle(ends: string): Handshake | undefined {
    const handshake = this.#open.get(ends);
    this.#open.delete(ends);
    handshake?.late.cancel();
    return handshake;
  }
}
