/** One Set and one Get of a client, by which a test sees that its calls are taken. */
import { json, type MeshCache } from "../../src/index.ts";

/** The outcome of `roundTrip` for a client whose calls are taken. */
export const ROUND_TRIP_HIT = { kind: "hit", value: "value" };

/** Sets a value and reads it from the server, past the near cache. */
export async function roundTrip(cache: MeshCache): Promise<unknown> {
  const users = cache.namespace("users", { codec: json<string>() });
  await users.set("key", "value");
  return users.get("key", { maxStalenessMs: 0 });
}
