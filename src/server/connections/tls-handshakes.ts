/**
 * Ends TLS: makes encrypted sockets of accepted ones, within bounds. What comes out is served as a socket without TLS would
 * be, by whichever HTTP/2. A handshake begins when its client has said something, as work of the turn, and what completes it is
 * read as turns let it: hundreds of them at once would stop the thread for a second.
 */
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Timer } from "../../common/clock.ts";
import type { Principal } from "../../security/identity/principal.ts";
import type { ServerTls } from "../../security/tls/server-tls.ts";
import type { CallRegister } from "../calls/registry.ts";
import { endsOf } from "../limits/socket-ends.ts";
import { HandshakeReading } from "../limits/socket-reading.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { HANDSHAKE_WORK_BYTES } from "../limits/work.ts";
import { CertifiedPeers, type CertifiedPeersDeps, serverOptionsOf } from "./certified-peers.ts";
import { certificateFault } from "./shown-certificates.ts";

/**
 * "failed": the peer broke it off, or broke its rules. "refused": it showed no certificate, none that is trusted, one that is
 * not of one client, or one whose authority was removed meanwhile. "late": it took too long. "displaced": it was the oldest
 * when there were too many.
 */
export type HandshakeOutcome = "completed" | "failed" | "refused" | "late" | "displaced";

const CLOSED = "ECONNRESET";

interface TlsHandshakesDeps extends CertifiedPeersDeps {
  readonly limits: Pick<TransportLimits, "handshakeMaxMs" | "handshakesMax">;
  readonly turns: Pick<CallRegister, "arrived" | "boundReading" | "inTurn">;
}

interface Handshake {
  readonly socket: Socket;
  readonly late: Timer;
  /** TLS reads what its client says. */
  isBegun: boolean;
  /** Undefined: its client has said nothing yet. */
  end: (() => void) | undefined;
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
    this.#server = createServer({
      ...serverOptionsOf(tls, "h2", deps.boundary),
      // Node's own limit is on silence alone, and begins again with each byte.
      handshakeTimeout: 2 * deps.limits.handshakeMaxMs,
    });
    this.#peers = new CertifiedPeers(this.#server, tls, deps);
    this.#server.on(
      "secureConnection",
      deps.boundary.guard(undefined, (encrypted: TLSSocket) => this.#completed(encrypted)),
    );
    this.#server.on(
      "tlsClientError",
      deps.boundary.guard(undefined, (error: Error, encrypted: TLSSocket) => this.#failed(error, encrypted)),
    );
  }

  replace(tls: ServerTls): void {
    this.#peers.replace(tls);
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
    const handshake: Handshake = { socket, late, done, isBegun: false, end: undefined };
    this.#open.set(ends, handshake);
    socket.once("close", () => this.#settle(ends));
    const [oldest] = this.#open.keys();
    if (this.#open.size > limits.handshakesMax && oldest !== undefined) this.#giveUp(oldest, "displaced");
    socket.once("readable", () => this.#greeted(handshake));
  }

  /** Its client has said something, which TLS reads in its turn. */
  #greeted(handshake: Handshake): void {
    const { turns } = this.#deps;
    const { socket } = handshake;
    const reading = new HandshakeReading(socket);
    const unbind = turns.boundReading(handshake, reading);
    handshake.end = () => {
      reading.end();
      turns.arrived(handshake, HANDSHAKE_WORK_BYTES);
      unbind();
    };
    turns.inTurn(handshake, HANDSHAKE_WORK_BYTES, () => {
      if (socket.destroyed) return;
      handshake.isBegun = true;
      this.#server.emit("connection", socket);
    });
  }

  #completed(encrypted: TLSSocket): void {
    this.#deps.boundary.contain(encrypted);
    // Every error of a socket also closes it.
    encrypted.on("error", () => {});
    const ends = endsOf(encrypted);
    const handshake = ends === undefined ? undefined : this.#settle(ends);
    // A client that names no protocol, and so does not speak HTTP/2, completes it too.
    const speaks = encrypted.alpnProtocol === "h2";
    const peer = this.#asksClients && speaks ? this.#peers.identify(encrypted) : undefined;
    const isRefused = this.#asksClients && peer === undefined;
    this.counts[speaks ? (isRefused ? "refused" : "completed") : "failed"] += 1;
    if (handshake === undefined || !speaks || isRefused) {
      encrypted.destroy();
      return;
    }
    handshake.done(encrypted, peer);
  }

  /** Node reports each handshake that is not completed, also when its socket has been destroyed. */
  #failed(error: Error, encrypted: TLSSocket): void {
    const code = "code" in error ? error.code : undefined;
    if (certificateFault(error, encrypted) !== undefined) this.counts.refused += 1;
    else if (code === CLOSED && this.#givenUp > 0) this.#givenUp -= 1;
    else this.counts.failed += 1;
    encrypted.destroy();
  }

  #giveUp(ends: string, outcome: "late" | "displaced"): void {
    const handshake = this.#settle(ends);
    if (handshake === undefined) return;
    this.counts[outcome] += 1;
    if (handshake.isBegun) this.#givenUp += 1;
    handshake.socket.destroy();
  }

  /** Undefined: it was settled before. */
  #settle(ends: string): Handshake | undefined {
    const handshake = this.#open.get(ends);
    this.#open.delete(ends);
    handshake?.late.cancel();
    handshake?.end?.();
    return handshake;
  }
}
