/** What a test asks the store of a server in a virtual tier, as promises. */
import type { Pending, Settle } from "../../src/store/api/backend.ts";
import type {
  GetResult,
  InvalidateResult,
  LeaseResult,
  SetCommand,
  SetResult,
} from "../../src/store/api/store.ts";
import { NAMESPACE_NAME as namespace } from "../simulation/client-node.ts";
import type { TierServer } from "../simulation/tier/tier-server.ts";

const WRITER = { origin: "", traceparent: "" };

function answer<Result>(ask: (settle: Settle<Result>) => void): Promise<Result> {
  return new Promise((resolve, reject) => {
    ask((result) => {
      if (result instanceof Error) reject(result);
      else resolve(result);
    });
  });
}

/** The value of the key. */
export async function read({ store }: TierServer, key: string): Promise<string | undefined> {
  const command = { namespace, key, ifVersion: 0, ifEpoch: 0n, allowStale: false };
  const found = await answer<GetResult>((settle) => void store.get(command, settle));
  return found.kind === "hit" ? Buffer.from(found.entry.value).toString() : undefined;
}

export function write(
  { store }: TierServer,
  key: string,
  value: string,
  more: Partial<SetCommand> = {},
): Promise<SetResult> {
  const command: SetCommand = {
    ...{ namespace, key, value: Buffer.from(value), ttlMs: 0, staleMs: 0, tags: [] },
    ...{ contentType: "", contentEncoding: "", absent: false, sourceVersion: 0n },
    ...{ condition: { kind: "always" }, requestId: 0n, writer: WRITER, ...more },
  };
  return answer((settle) => void store.set(command, settle));
}

export function lease(
  { store }: TierServer,
  key: string,
  { holder, leaseMs, waitMs }: { readonly holder: number; readonly leaseMs: number; readonly waitMs: number },
): Promise<LeaseResult> {
  const command = { namespace, key, holder, leaseMs, waitMs };
  return answer((settle) => void store.lease(command, settle));
}

/** Invalidates the whole namespace, in all shards. */
export function clear(server: TierServer): Promise<InvalidateResult> {
  return answer((settle) => void startClear(server, settle));
}

export function startClear({ store }: TierServer, settle: Settle<InvalidateResult>): Pending {
  const target = { kind: "all" } as const;
  return store.invalidate({ namespace, target, soft: false, sourceVersion: 0n, writer: WRITER }, settle);
}
