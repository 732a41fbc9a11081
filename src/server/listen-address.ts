/** Parses the address to listen on. */
import { fieldInvalid } from "../common/errors.ts";

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** The same address with the port that was bound. */
  join(port: number): string;
}

const LISTEN = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/;
const PORT_MAX = 65_535;

export function parseListenAddress(listen: string): ListenAddress {
  const [, ipv6, name, digits] = LISTEN.exec(listen) ?? [];
  const host = ipv6 ?? name;
  const port = Number(digits);
  if (host === undefined || !(port <= PORT_MAX)) {
    throw fieldInvalid("listen", "HOST:PORT, with an IPv6 host in brackets and a port of 0 to 65535");
  }
  return { host, port, join: (bound) => (ipv6 === undefined ? `${host}:${bound}` : `[${host}]:${bound}`) };
}
