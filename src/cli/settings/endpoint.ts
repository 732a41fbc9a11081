/** HOST:PORT, with IPv6 hosts in brackets: where a server listens or is reached. */

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Undefined for what is no HOST:PORT. Whether the host exists shows when it is used. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return undefined;
  return { host: match[1] ?? match[2] ?? "", port };
}

export function isEndpoint(text: string): boolean {
  return parseEndpoint(text) !== undefined;
}

export function toEndpointText(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
