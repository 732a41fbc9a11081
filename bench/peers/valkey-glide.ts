/** valkey-glide over one connection: as a remote client with binary replies, and as a near cache that the server keeps current. */
import { ClientSideCache, Decoder, GlideClient, ProtocolVersion } from "@valkey/valkey-glide";
import { parseServerAddress } from "../../src/common/host-port.ts";
import type { LocalCache } from "../local-cache.ts";
import type { RemoteCache } from "../remote-cache.ts";

/** Its own default refuses more requests at a time than this than the rows have in flight. */
const IN_FLIGHT_MAX = 10_000;
/** No operation of these rows is to time out: a busy machine is no fault of the client. */
const TIMEOUT_MS = 30_000;
/** For keys, values and its own records of 1,000 entries. */
const CACHE_KIB_A_THOUSAND = 1_024;

function configuration(address: string) {
  const place = parseServerAddress(address);
  if (place === undefined) throw new Error("the address must be HOST:PORT");
  return {
    addresses: [{ host: place.host, port: place.port }],
    protocol: ProtocolVersion.RESP3,
    inflightRequestsLimit: IN_FLIGHT_MAX,
    requestTimeout: TIMEOUT_MS,
  };
}

export async function connect(address: string): Promise<RemoteCache<unknown, unknown>> {
  const client = await GlideClient.createClient({
    ...configuration(address),
    defaultDecoder: Decoder.Bytes,
  });
  return {
    get: (key) => client.get(key),
    valueBytes: (answer) => (Buffer.isBuffer(answer) ? answer.length : -1),
    set: (key, value) => client.set(key, value),
    isStored: (answer) => String(answer) === "OK",
    async close() {
      client.close();
    },
  };
}

export async function connectWithClientSideCache(
  address: string,
  entriesMax: number,
): Promise<LocalCache<unknown>> {
  const clientSideCache = new ClientSideCache({
    maxCacheKb: Math.ceil((entriesMax / 1_000) * CACHE_KIB_A_THOUSAND),
    entryTtlMs: 0,
    serverAssisted: true,
  });
  const client = await GlideClient.createClient({ ...configuration(address), clientSideCache });
  return {
    get: (key) => client.get(key),
    valueChars: (answer) => (typeof answer === "string" ? answer.length : -1),
    set: (key, value) => client.set(key, value),
    localHits: () => undefined,
    async close() {
      client.close();
    },
  };
}
