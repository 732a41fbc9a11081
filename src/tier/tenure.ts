/** Whether a shard's life goes on, and the beginning of its next one where it does not. */
import type { Rng } from "../common/random.ts";
import { ask, isEngineError } from "./engine/ask.ts";
import type { Reply } from "./engine/resp3.ts";
import type { ShardKeys } from "./library/keys.ts";
import { getOperation } from "./library/operations.ts";
import { type CallHead, readCallHead } from "./library/results.ts";
import { unexpectedReply } from "./library-call.ts";
import type { NodeLink } from "./node-link.ts";

/** Servers that claim the same shard at once find it claimed. */
const CLAIMS_MAX = 3;

/** Asks for nothing that is there: its answer says whose the shard is, and up to where. */
export const TENURE_CHECK = getOperation({ namespace: "", key: "" }, false, true);

export interface TenureDeps {
  readonly rng: Rng;
  /** The first argument of every call. */
  readonly callHeader: () => Buffer;
  /** A shard of the node has begun again, and so may others of it. */
  lost(link: NodeLink): void;
}

/** Claims the shard where it is nobody's. Rejects with an EngineError, or a CacheError when the connection is gone. */
export async function tenure(
  link: NodeLink,
  { head, stream }: ShardKeys,
  { rng, callHeader, lost }: TenureDeps,
): Promise<CallHead> {
  for (let tries = 0; ; tries++) {
    try {
      const check = ["FCALL_RO", "mc_read", "2", head, stream, callHeader(), TENURE_CHECK];
      const reply = await ask(link.connection, check);
      const [top] = reply as readonly Reply[];
      if (!Buffer.isBuffer(top)) throw unexpectedReply(reply);
      return readCallHead(top);
    } catch (error) {
      if (!isEngineError(error, "TENURE") || tries === CLAIMS_MAX) throw error;
    }
    lost(link);
    const found = await ask(link.connection, ["GET", head]);
    const epoch = Buffer.alloc(8);
    epoch.writeBigUInt64BE(rng.uint64());
    const expected = Buffer.isBuffer(found) ? found : "";
    await ask(link.connection, ["FCALL", "mc_claim", "2", head, stream, callHeader(), expected, epoch]);
  }
}
