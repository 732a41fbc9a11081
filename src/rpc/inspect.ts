/** InspectEntry: request to what the store is asked for, and its result to the response. */
import { create } from "@bufbuild/protobuf";
import {
  EntryInfoSchema,
  EntryState,
  type FenceInfo,
  FenceInfoSchema,
  FenceKind,
  type InspectEntryRequest,
  type InspectEntryResponse,
  InspectEntryResponseSchema,
} from "../../gen/meshcache/v1/admin_pb.ts";
import { NO_BYTES } from "../common/bytes.ts";
import type { CacheError } from "../common/errors.ts";
import { type Access, NEEDS, requireAccess } from "../security/access/access.ts";
import type { Backend, Pending } from "../store/api/backend.ts";
import type { EntryView, FenceView, InspectedState, InspectResult } from "../store/api/store.ts";
import { toHit, toStamp } from "./entry.ts";
import type { Limits } from "./limits.ts";
import { toFailure } from "./remote-operations.ts";
import { checkKey, checkNamespace } from "./validate.ts";

const FENCES_MAX = 32;

const STATES: Readonly<Record<InspectedState, EntryState>> = {
  fresh: EntryState.FRESH,
  expired: EntryState.EXPIRED,
  staled: EntryState.STALED,
  gone: EntryState.GONE,
};
const KINDS: Readonly<Record<FenceView["kind"], FenceKind>> = {
  tag: FenceKind.TAG,
  prefix: FenceKind.PREFIX,
  namespace: FenceKind.NAMESPACE,
};

/**
 * Calls `settle` exactly once: before it returns undefined, or later, when it returns what can be cancelled. Throws FIELD_INVALID, or
 * PERMISSION_DENIED.
 */
export function runInspect(
  request: InspectEntryRequest,
  access: Access | undefined,
  store: Backend,
  limits: Limits,
  settle: (outcome: InspectEntryResponse | CacheError) => void,
): Pending | undefined {
  const namespace = checkNamespace(request.namespace, "", limits);
  const key = checkKey(request.key, limits);
  requireAccess(access, namespace, request.withValue ? NEEDS.inspectValue : NEEDS.inspect);
  if (request.withValue) access?.acted("shown", namespace);
  if (store.remote === undefined) {
    settle(toInspected(store.inspect(namespace, key), store.epoch, request.withValue));
    return undefined;
  }
  return store.inspect(namespace, key, (result) =>
    settle(result instanceof Error ? toFailure(result) : toInspected(result, store.epoch, request.withValue)),
  );
}

function toInspected(
  { asOf, entry, fences }: InspectResult,
  epoch: bigint,
  withValue: boolean,
): InspectEntryResponse {
  return create(InspectEntryResponseSchema, {
    asOf: toStamp(epoch, asOf),
    ...(entry !== undefined && {
      entry: create(EntryInfoSchema, {
        state: STATES[entry.state],
        valueBytes: BigInt(entry.view.value.length),
        hit: toHit(viewed(entry.state, entry.view, withValue)),
      }),
    }),
    fences: fences.slice(0, FENCES_MAX).map(toFence),
  });
}

/** What is gone has no time left. */
function viewed(state: InspectedState, view: EntryView, withValue: boolean): EntryView {
  const value = withValue ? view.value : NO_BYTES;
  return state === "gone" ? { ...view, value, ttlRemainingMs: 0, staleRemainingMs: 0 } : { ...view, value };
}

function toFence({ kind, name, soft, revision, covers }: FenceView): FenceInfo {
  return create(FenceInfoSchema, { kind: KINDS[kind], name, soft, revision: BigInt(revision), covers });
}
