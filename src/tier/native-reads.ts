/**
 * Reads entries of a shard without the library, at a fifth of its cost: the head of the shard and the entries by one MGET.
 *
 * It is as good as a call when the head is the one that the feed on this connection has come to, for nobody else writes under this
 * epoch; and when the node, asked at the end of what was sent together, had not been still. Otherwise the library is asked.
 */
import type { Reply } from "./engine/resp3.ts";
import { ENTRY_STATE, stateByHead } from "./library/entry.ts";
import { readHead, type ShardHead } from "./library/head.ts";
import type { ShardKeys } from "./library/keys.ts";
import type { NodeLink } from "./node-link.ts";
import type { ShardOperation } from "./operation.ts";

/** Up to where the feed has come. */
export interface Followed {
  readonly epoch: bigint;
  readonly revision: number;
}

export type NativeAnswer =
  /** The engine refused the read, or the connection has ended. */
  | { readonly kind: "failed"; readonly error: Error }
  /** Nothing that was read can be relied on. */
  | { readonly kind: "unsure" }
  /** `results`: as the library has them, for each operation. Undefined: only the library can tell. */
  | {
      readonly kind: "read";
      readonly epoch: bigint;
      readonly nowMs: number;
      readonly results: readonly (Buffer | undefined)[];
    };

interface Found {
  readonly head: ShardHead;
  readonly entries: readonly Reply[];
}

/** Every operation of the call may be read so. */
export function isNative(call: readonly ShardOperation[]): boolean {
  return call.every(
    ({ entry, mustAsk, traceparent }) => entry !== undefined && !mustAsk && traceparent === "",
  );
}

/** Calls `take` once. `followed` is asked when the answer is there. */
export function readNatively(
  call: readonly ShardOperation[],
  keys: ShardKeys,
  link: NodeLink,
  followed: () => Followed,
  take: (answer: NativeAnswer) => void,
): void {
  const names = call.flatMap((operation) => operation.keys.map((key) => keys.entries + key));
  let found: Found | undefined;
  let failure: Error | undefined;
  link.connection.send(["MGET", keys.head, ...names], (reply) => {
    if (reply instanceof Error) failure = reply;
    else found = toFound(reply, followed());
  });
  link.timeAfter((nowMs) => {
    if (failure !== undefined) take({ kind: "failed", error: failure });
    else if (nowMs === undefined || found === undefined) take({ kind: "unsure" });
    else take(toAnswer(call, found, nowMs));
  });
}

/** Undefined: the head is not the one that is followed. */
function toFound(reply: Reply, { epoch, revision }: Followed): Found | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [bytes, ...entries] = reply as readonly Reply[];
  const head = Buffer.isBuffer(bytes) ? readHead(bytes) : undefined;
  return head?.epoch === epoch && head.revision === revision ? { head, entries } : undefined;
}

function toAnswer(call: readonly ShardOperation[], { head, entries }: Found, nodeMs: number): NativeAnswer {
  const nowMs = Math.max(head.timeMs, nodeMs);
  const results = call.map(({ entry }, index) => {
    const found = entries[index];
    const bytes = Buffer.isBuffer(found) ? found : null;
    const state = stateByHead(head, bytes, nowMs);
    if (state === "ask") return undefined;
    const isSeen = state === ENTRY_STATE.fresh || (state !== ENTRY_STATE.gone && entry?.allowStale === true);
    return toResult(head.revision, bytes !== null && isSeen ? { state, bytes } : undefined);
  });
  return { kind: "read", epoch: head.epoch, nowMs, results };
}

const MISS = 0;
const HIT = 1;
const REVISION_BYTES = 6;
const STATE_AT = 1 + REVISION_BYTES;

/** The result of a Get, as the library writes it. */
function toResult(
  revision: number,
  hit: { readonly state: number; readonly bytes: Buffer } | undefined,
): Buffer {
  const result = Buffer.allocUnsafe(hit === undefined ? STATE_AT : STATE_AT + 1 + hit.bytes.length);
  result.writeUInt8(hit === undefined ? MISS : HIT, 0);
  result.writeUIntBE(revision, 1, REVISION_BYTES);
  if (hit !== undefined) {
    result.writeUInt8(hit.state, STATE_AT);
    result.set(hit.bytes, STATE_AT + 1);
  }
  return result;
}
