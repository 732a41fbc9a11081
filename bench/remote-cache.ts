/** What a load needs of a client of a remote cache: the same few calls over every client. */

export interface RemoteCache<Answer = unknown, SetAnswer = unknown> {
  /** What the client itself answers: a wrapper of its promise would cost what its users do not pay. */
  get(key: string): Promise<Answer>;
  /** Of the value in an answer; -1 for a miss. */
  valueBytes(answer: Answer): number;
  set(key: string, value: Buffer): Promise<SetAnswer>;
  isStored(answer: SetAnswer): boolean;
  close(): Promise<void>;
}

export type RemoteClientName = "meshcache" | "ioredis" | "redis";

/** Loads only the named client, so that a peer that is not installed is missed by its own rows alone. */
export async function connectRemoteCache(name: RemoteClientName, address: string): Promise<RemoteCache> {
  switch (name) {
    case "meshcache":
      return (await import("./ours/remote-client.ts")).connect(address);
    case "ioredis":
      return (await import("./peers/ioredis.ts")).connect(address);
    case "redis":
      return (await import("./peers/node-redis.ts")).connect(address);
  }
}
