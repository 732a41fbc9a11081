/** The way to a node of the engine: over TCP or TLS, and what a connection needs of it. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { HostPort } from "../../common/host-port.ts";

export interface EngineSecurity {
  /** Undefined: without TLS. */
  readonly tls: EngineTls | undefined;
  /** The user of the engine's access control list. Undefined: its default user. */
  readonly user: string | undefined;
  /** Read for each connection. Undefined: no password. */
  readonly password: (() => string) | undefined;
}

export interface EngineTls {
  /** PEM. Undefined: the authorities that Node knows. */
  readonly ca: Buffer | undefined;
  /** Both or none: the certificate that this server shows. PEM. */
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/** Emits `data`, `error` and `close`. */
export type EngineSocket = Pick<
  Socket,
  "on" | "emit" | "setNoDelay" | "cork" | "uncork" | "writableCorked" | "write" | "destroy"
> &
  NodeJS.EventEmitter;

/** Connects to a node. */
export function openSocket({ host, port }: HostPort, tls: EngineTls | undefined): EngineSocket {
  if (tls === undefined) return connectTcp({ host, port });
  const { ca, cert, key } = tls;
  return connectTls({
    host,
    port,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  });
}
