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
import { HANDSHAKE_WORK_BYTES, PROOF_WORK_BYTES } from "../limits/work.ts";
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
  /** A client that names none speaks HTTP/1.1. */
  readonly protocol: "h2" | "http/1.1";
  readonly limits: Pick<TransportLimits, "handshakeMaxMs" | "handshakesMax">;
  readonly turns: HandshakeTurns;
}

export type HandshakeTurns = Pick<CallRegister, "arrived" | "boundReading" | "inTurn" | "spend">;

/** One that is under way. */
class Handshake {
  readonly socket: Socket;
  readonly done: (encrypted: TLSSocket, peer: Principal | undefined) => void;
  readonly #turns: HandshakeTurns;
  readonly #late: Timer;
  /** TLS reads what its client says. */
  isBegun = false;
  isSettled = false;
  #stopReading: (() => void) | undefined;

  constructor(socket: Socket, done: Handshake["done"], late: Timer, turns: HandshakeTurns) {
    this.socket = socket;
    this.done = done;
    this.#late = late;
    this.#turns = turns;
  }

  /** From now on TLS reads its socket, as turns let it. */
  begin(): void {
    this.isBegun = true;
    const reading = new HandshakeReading(this.socket);
    const unbind = this.#turns.boundReading(this, reading, PROOF_WORK_BYTES);
    this.#stopReading = () => {
      reading.end();
      this.#turns.arrived(this, PROOF_WORK_BYTES);
      unbind();
    };
  }

  /** It is over, however it ended. A second time does nothing. */
  settle(): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.#late.cancel();
    this.#stopReading?.();
  }
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
      ...serverOptionsOf(tls, deps.protocol, deps.boundary),
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
    const { limits, clock, boundary, turns } = this.#deps;
    const ends = endsOf(socket);
    if (ends === undefined) {
      socket.destroy();
      return;
    }
    const late = clock.schedule(
      limits.handshakeMaxMs,
      boundary.guard(socket, () => this.#giveUp(ends, handshake, "late")),
    );
    const handshake = new Handshake(socket, done, late, turns);
    const former = this.#open.get(ends);
    if (former !== undefined) this.#drop(ends, former);
    this.#open.set(ends, handshake);
    socket.once("close", () => {
      this.#drop(ends, handshake);
    });
    if (this.#open.size > limits.handshakesMax) this.#displaceOldest();
    socket.once("readable", () => this.#greeted(handshake));
  }

  /** Its client has said something, or has ended. All handshakes share turns as one connection does. */
  #greeted(handshake: Handshake): void {
    const { socket } = handshake;
    if (handshake.isSettled) return;
    if (socket.readableLength === 0) {
      socket.destroy();
      return;
    }
    const { turns, boundary } = this.#deps;
    const begin = boundary.guard(socket, () => {
      // It may have been given up while it waited.
      if (handshake.isSettled || socket.destroyed) return;
      turns.spend(HANDSHAKE_WORK_BYTES);
      handshake.begin();
      this.#server.emit("connection", socket);
    });
    turns.inTurn(this, begin);
  }

  #completed(encrypted: TLSSocket): void {
    this.#deps.boundary.contain(encrypted);
    // Every error of a socket also closes it.
    encrypted.on("error", () => {});
    const ends = endsOf(encrypted);
    const handshake = ends === undefined ? undefined : this.#open.get(ends);
    if (ends !== undefined && handshake !== undefined) this.#settle(ends, handshake);
    // A client that names no protocol completes it too.
    const speaks = (encrypted.alpnProtocol || "http/1.1") === this.#deps.protocol;
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

  /** Its connection is gone: another one may have the same addresses. */
  #drop(ends: string, handshake: Handshake): void {
    if (!this.#settle(ends, handshake)) return;
    // Node reports those that have begun.
    if (!handshake.isBegun) this.counts.failed += 1;
    handshake.socket.destroy();
  }

  #displaceOldest(): void {
    const [oldest] = this.#open;
    if (oldest === undefined) return;
    const [ends, handshake] = oldest;
    this.#giveUp(ends, handshake, "displaced");
  }

  #giveUp(ends: string, handshake: Handshake, outcome: "late" | "displaced"): void {
    if (!this.#settle(ends, handshake)) return;
    this.counts[outcome] += 1;
    if (handshake.isBegun) this.#givenUp += 1;
    handshake.socket.destroy();
  }

  /** False: it was settled before. A later connection may have the same addresses. */
  #settle(ends: string, handshake: Handshake): boolean {
    if (handshake.isSettled) return false;
    if (this.#open.get(ends) === handshake) this.#open.delete(ends);
    handshake.settle();
    return true;
  }
}
