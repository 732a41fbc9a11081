/** The interface of a client of a remote cache: the same calls for every client. */

export interface RemoteCache<Answer = unknown, SetAnswer = unknown, CountAnswer = unknown> {
  /** The promise of the client itself. A wrapper would add a cost that its users do not have. */
  get(key: string): Promise<Answer>;
  /** The size of the value in an answer. -1 for a miss. */
  valueBytes(answer: Answer): number;
  set(key: string, value: Buffer): Promise<SetAnswer>;
  isStored(answer: SetAnswer): boolean;
  /** Adds one to a counter. Undefined: no row counts with this client. */
  readonly count?: ((key: string) => Promise<CountAnswer>) | undefined;
  /** The counter in an answer. Undefined: it was refused. */
  counted?(answer: CountAnswer): number | undefined;
  close(): Promise<void>;
}

export type RemoteClientName = "meshcache" | "ioredis" | "redis" | "valkey-glide";

export interface ClientSecurity {
  /** Over TLS, with the authorities in this file, for the clients that a row compares over TLS. */
  readonly ca?: string | undefined;
  /** Of meshcache alone. */
  readonly token?: string | undefined;
}

/** Imports only the named client, so that a peer that is not installed affects only its own rows. */
export async function connectRemoteCache(
  name: RemoteClientName,
  address: string,
  security: ClientSecurity = {},
): Promise<RemoteCache> {
  switch (name) {
    case "meshcache":
      return (await import("./ours/remote-client.ts")).connect(address, security);
    case "ioredis":
      return (await import("./peers/ioredis.ts")).connect(address, security.ca);
    case "redis":
      return (await import("./peers/node-redis.ts")).connect(address);
    case "valkey-glide":
      return (await import("./peers/valkey-glide.ts")).connect(address);
  }
}
