/** Tells connections apart, also where a socket with TLS and the one under it are two objects. */
import type { Socket } from "node:net";

/** Undefined: the connection is closed. */
export function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string | undefined {
  if (remotePort === undefined) return undefined;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
