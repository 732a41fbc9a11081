/** The open connections with client certificates: each ends when its certificate expires, or its authority is removed. */
import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { type CertifiedPeer, isOfAuthorities } from "../../security/identity/certificate-identity.ts";

const CHECK_MS = 10_000;

export class CertifiedPeers {
  readonly #clock: Clock;
  readonly #boundary: Boundary;
  readonly #peers = new Map<Socket, CertifiedPeer>();
  #timer: Timer | undefined;

  constructor(clock: Clock, boundary: Boundary) {
    this.#clock = clock;
    this.#boundary = boundary;
    this.#checkLater();
  }

  /** The boundary contains the socket. */
  add(socket: Socket, peer: CertifiedPeer): void {
    this.#peers.set(socket, peer);
    socket.once("close", () => this.#peers.delete(socket));
  }

  /** Ends the connections whose certificates are of no such authority. */
  keepOf(authorities: readonly X509Certificate[]): void {
    // All connections of a replica have one certificate.
    const known = new Map<string, boolean>();
    for (const { certificate, principal } of this.#peers.values()) {
      const { fingerprint256 } = certificate;
      const isKept = known.get(fingerprint256) ?? isOfAuthorities(certificate, authorities);
      known.set(fingerprint256, isKept);
      if (!isKept) principal.revoke();
    }
    this.#endInvalid();
  }

  close(): void {
    this.#timer?.cancel();
  }

  #checkLater(): void {
    this.#timer = this.#clock.schedule(
      CHECK_MS,
      this.#boundary.guard(undefined, () => {
        this.#checkLater();
        this.#endInvalid();
      }),
    );
  }

  #endInvalid(): void {
    const wallNowMs = Date.now();
    for (const [socket, { principal }] of this.#peers) if (!principal.isValid(wallNowMs)) socket.destroy();
  }
}
