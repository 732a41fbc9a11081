/** meshcache's client without its near cache. Every read goes to the server over one stream. */
import { bytes, type IncrementOutcome, MeshCache, type Outcome, type SetOutcome } from "../../src/index.ts";
import type { ClientSecurity, RemoteCache } from "../remote-cache.ts";
import { NAMESPACE } from "./namespace.ts";

export async function connect(
  address: string,
  { ca, token }: ClientSecurity = {},
): Promise<RemoteCache<Outcome<Uint8Array>, SetOutcome, IncrementOutcome>> {
  const client = new MeshCache({
    address,
    nearCache: false,
    ...(ca === undefined ? {} : { tls: { ca } }),
    ...(token === undefined ? {} : { token: () => token }),
  });
  const entries = client.namespace(NAMESPACE, { codec: bytes() });
  return {
    get: (key) => entries.get(key),
    valueBytes: (answer) => (answer.kind === "hit" ? answer.value.length : -1),
    set: (key, value) => entries.set(key, value),
    isStored: (answer) => answer.kind === "stored",
    count: (key) => entries.increment(key),
    counted: (answer) => (answer.kind === "incremented" ? Number(answer.value) : undefined),
    close: async () => void (await client.close()),
  };
}
