/** A client of a replay that asks again while no server answers, so that a replay goes on over a restart. */
import { setTimeout as sleep } from "node:timers/promises";
import type { MeshClient } from "../src/cli/replay/mesh-client.ts";
import { CacheError } from "../src/index.ts";

const AGAIN_MS = 20;
const AWAY: ReadonlySet<string> = new Set(["UNAVAILABLE", "DEADLINE", "DRAINING"]);

/** `readFailed`: called for each read that is asked again. */
export function patient(client: MeshClient, readFailed: () => void = () => {}): MeshClient {
  const again = async <Result>(ask: () => Promise<Result>, failed = () => {}): Promise<Result> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof CacheError && AWAY.has(error.reason))) throw error;
        failed();
        await sleep(AGAIN_MS);
      }
    }
  };
  return {
    ...client,
    read: (object, load) => again(() => client.read(object, load), readFailed),
    invalidateKey: (object) => again(() => client.invalidateKey(object)),
    invalidateTag: (object) => again(() => client.invalidateTag(object)),
    sync: () => again(() => client.sync()),
  };
}
