/** What a server runs operations on: an embedded store, which answers at once, or an engine elsewhere, which answers later. */
import type {
  GetCommand,
  GetResult,
  IncrementCommand,
  IncrementResult,
  InspectResult,
  InvalidateCommand,
  InvalidateResult,
  LeaseCommand,
  LeaseResult,
  ListKeysCommand,
  ListKeysResult,
  SetCommand,
  SetResult,
  Stamp,
  Store,
  StoreView,
  TouchCommand,
  TouchResult,
} from "./store.ts";

/** Something that is asked for and not decided yet. After `cancel`, its `settle` is not called. */
export interface Pending {
  cancel(): void;
}

/** Takes the result, or why there is none. */
export type Settle<Result> = (result: Result | Error) => void;

/** As a Get without an arena: the reader may keep the value. */
export type ReleaseResult = { readonly asOf: Stamp; readonly released: boolean };

/**
 * A store whose entries are in an engine that other servers use too. Commands and results are those of `Store`.
 *
 * Every method returns before it settles, and settles exactly once unless it is cancelled: a cancelled mutation may still take
 * effect. A result is as of the `epoch` that the store has while `settle` is called, and whoever subscribes here reads every event up to
 * its `asOf` first. What `settle` throws is a fault of its owner, who should contain it.
 */
export interface RemoteStore extends StoreView {
  readonly remote: true;
  /** `traceparent`: of who asks, as a writer has it. Default: nobody. */
  get(command: GetCommand, settle: Settle<GetResult>, traceparent?: string): Pending;
  inspect(namespace: string, key: string, settle: Settle<InspectResult>): Pending;
  listKeys(command: ListKeysCommand, settle: Settle<ListKeysResult>): Pending;
  set(command: SetCommand, settle: Settle<SetResult>): Pending;
  invalidate(command: InvalidateCommand, settle: Settle<InvalidateResult>): Pending;
  touch(command: TouchCommand, settle: Settle<TouchResult>): Pending;
  increment(command: IncrementCommand, settle: Settle<IncrementResult>): Pending;
  /** With `waitMs`, it waits while another caller has the lease. */
  lease(command: LeaseCommand, settle: Settle<LeaseResult>, traceparent?: string): Pending;
  release(namespace: string, key: string, token: bigint, settle: Settle<ReleaseResult>): Pending;
  /**
   * Settles when whoever subscribes here can read every event that the engine had acknowledged, to whichever server, before the
   * call. Until then neither a cursor can be judged nor the end of the events be told.
   */
  barrier(settle: Settle<void>): Pending;
  /** What keeps it from answering now, in a line for operators. Undefined: nothing does. */
  problem(): string | undefined;
}

export type Backend = Store | RemoteStore;

/** Settles at once for an embedded store, whose events are there when its answers are. */
export function atBarrier(store: Backend, settle: Settle<void>): Pending | undefined {
  if (store.remote === undefined) {
    settle();
    return undefined;
  }
  return store.barrier(settle);
}
