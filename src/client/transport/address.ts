/** Parses "host:port", with an IPv6 host in brackets. */

export interface Address {
  readonly host: string;
  readonly port: number;
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;
const PORT_MAX = 65_535;

/** Undefined: the text is no host and port. */
export function parseAddress(text: string): Address | undefined {
  const [, ipv6, name, digits] = ADDRESS.exec(text) ?? [];
  const host = ipv6 ?? name;
  const port = Number(digits);
  return host === undefined || port < 1 || port > PORT_MAX ? undefined : { host, port };
}
