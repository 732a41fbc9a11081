/** HOST:PORT, an IPv6 host in brackets: where a server listens, or where it is reached. */
import { isIPv6 } from "node:net";

export interface HostPort {
  /** A name or an IP address, an IPv6 address without its brackets. Whether it exists shows when it is used. */
  readonly host: string;
  readonly port: number;
}

/** Where a server listens, and a client looks for one, unless told otherwise. */
export const DEFAULT_ADDRESS = "127.0.0.1:50051";

/** What `parseListenAddress` takes, in words for an error. */
export const LISTEN_ADDRESS_FORM = "HOST:PORT, an IPv6 host in brackets, port 0 to 65535";
/** What `parseServerAddress` takes, in words for an error. */
export const SERVER_ADDRESS_FORM = "HOST:PORT, an IPv6 host in brackets, port 1 to 65535";

const HOST_PORT = /^(?:\[([^[\]]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;
const PORT_MAX = 65_535;

/** Where a server listens: port 0 picks a free one. Undefined for what is no HOST:PORT. */
export function parseListenAddress(text: string): HostPort | undefined {
  return parse(text, 0);
}

/** Where a server is reached. Undefined for what is no HOST:PORT, and for port 0. */
export function parseServerAddress(text: string): HostPort | undefined {
  return parse(text, 1);
}

export function toHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Names are not looked up: what "localhost" means is fixed by RFC 6761, what others mean is not. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/i.test(host);
}

/** The same for HOST:PORT. */
export function isLoopbackAddress(address: string): boolean {
  const endpoint = parseServerAddress(address);
  return endpoint !== undefined && isLoopback(endpoint.host);
}

function parse(text: string, portMin: number): HostPort | undefined {
  const [, ipv6, name, digits] = HOST_PORT.exec(text) ?? [];
  const host = ipv6 ?? name;
  const port = Number(digits);
  if (host === undefined || port < portMin || port > PORT_MAX) return undefined;
  return ipv6 === undefined || isIPv6(ipv6) ? { host, port } : undefined;
}
