/**
 * The clients of a TLS server that show certificates: who they are, and when their connections end, since a certificate of their
 * chain expires, or its authority is removed. The same for each port.
 */
import { constants } from "node:crypto";
import type { Socket } from "node:net";
import type { Server, TLSSocket, TlsOptions } from "node:tls";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { nameOfCertificate } from "../../security/identity/certificate-identity.ts";
import { Principal } from "../../security/identity/principal.ts";
import { ClientAuthorities, ShownChain } from "../../security/identity/shown-chain.ts";
import type { ServerTls } from "../../security/tls/server-tls.ts";
import { endsOf } from "../limits/socket-ends.ts";
import { certificateFault, shownCertificates, speakOnly } from "./shown-certificates.ts";

const CHECK_MS = 10_000;

const principals = new WeakMap<Socket, Principal>();

/** Whose client certificate a connection has shown, whichever port it came to. */
export function peerOf(socket: Socket): Principal | undefined {
  return principals.get(socket);
}

interface CertifiedPeer {
  readonly principal: Principal;
  readonly chain: ShownChain;
}

/** For `createServer` of a server that speaks `protocol` alone. */
export function serverOptionsOf(tls: ServerTls, protocol: string, boundary: Boundary): TlsOptions {
  return {
    ...contextOf(tls),
    requestCert: tls.asksClients,
    rejectUnauthorized: tls.asksClients,
    ...(tls.asksClients ? speakOnly(protocol, boundary) : { ALPNProtocols: [protocol] }),
  };
}

/** Sessions are not resumed: each connection proves its certificate anew, to the authorities of that moment. */
function contextOf({ options }: ServerTls): TlsOptions {
  return { ...options, secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION };
}

/** Is told of the clients that were refused for their certificates: their address, and why. */
export type ClientRefused = (host: string, reason: string) => void;

export interface CertifiedPeersDeps {
  readonly clock: Clock;
  readonly boundary: Boundary;
  /** Default: nobody is told. */
  readonly refusedClient?: ClientRefused | undefined;
}

export class CertifiedPeers {
  readonly #clock: Clock;
  readonly #boundary: Boundary;
  readonly #server: Server;
  readonly #refused: ClientRefused;
  readonly #peers = new Map<Socket, CertifiedPeer>();
  /** What handshakes that are under way began with, by the addresses of both ends. */
  readonly #begunWith = new Map<string, { readonly authorities: ClientAuthorities }>();
  #authorities: ClientAuthorities;
  #timer: Timer | undefined;

  /** Before anybody else listens to the server's connections. */
  constructor(
    server: Server,
    tls: ServerTls,
    { clock, boundary, refusedClient = () => {} }: CertifiedPeersDeps,
  ) {
    this.#refused = refusedClient;
    this.#server = server;
    this.#clock = clock;
    this.#boundary = boundary;
    this.#authorities = new ClientAuthorities(tls.clientAuthorities);
    if (tls.asksClients) {
      server.prependListener(
        "connection",
        boundary.guard(undefined, (socket: Socket) => this.#begin(socket)),
      );
      server.on(
        "tlsClientError",
        boundary.guard(undefined, (error: Error, socket: TLSSocket) => {
          const fault = certificateFault(error, socket);
          if (fault !== undefined) this.#refused(socket.remoteAddress ?? "", fault);
        }),
      );
    }
    this.#checkLater();
  }

  /** Undefined: its certificate is not of one client, or is not proven any more. The handshake is completed, and the boundary contains the socket. */
  identify(socket: TLSSocket): Principal | undefined {
    const certificates = shownCertificates(socket);
    const begunWith = this.#begunWith.get(endsOf(socket) ?? "")?.authorities;
    if (certificates === undefined || begunWith === undefined) return undefined;
    const [certificate, ...behind] = certificates;
    const name = nameOfCertificate(certificate.subjectAltName);
    if (name === undefined) {
      this.#refused(socket.remoteAddress ?? "", "not of one client");
      return undefined;
    }
    const wallNowMs = Date.now();
    const chain = new ShownChain(certificate, behind);
    chain.verifiedWith(begunWith, wallNowMs);
    // The files may have been replaced since.
    const untilMs = chain.provenUntilMs(this.#authorities, wallNowMs);
    if (untilMs === undefined) {
      this.#refused(socket.remoteAddress ?? "", "of a former authority");
      return undefined;
    }
    const principal = new Principal(name, untilMs);
    this.#peers.set(socket, { principal, chain });
    principals.set(socket, principal);
    socket.once("close", () => this.#peers.delete(socket));
    return principal;
  }

  /** New handshakes use this. Connections end whose certificates are of no such authority; the others are left as they are. */
  replace(tls: ServerTls): void {
    this.#server.setSecureContext(contextOf(tls));
    if (!tls.asksClients) return;
    this.#authorities = new ClientAuthorities(tls.clientAuthorities);
    const wallNowMs = Date.now();
    for (const { chain, principal } of this.#peers.values()) {
      const untilMs = chain.provenUntilMs(this.#authorities, wallNowMs);
      if (untilMs === undefined) principal.revoke();
      else principal.prove(untilMs);
    }
    this.#endInvalid();
  }

  close(): void {
    this.#timer?.cancel();
  }

  #begin(socket: Socket): void {
    const ends = endsOf(socket);
    if (ends === undefined) return;
    const begun = { authorities: this.#authorities };
    this.#begunWith.set(ends, begun);
    this.#boundary.contain(socket).once("close", () => {
      // Another connection may have the same addresses by then.
      if (this.#begunWith.get(ends) === begun) this.#begunWith.delete(ends);
    });
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
