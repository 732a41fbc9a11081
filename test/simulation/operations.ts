/** The calls of the clients and their results, recorded for the checks after the run. */
import type { Moment } from "./history.ts";
import type { Observed } from "./witness.ts";

interface Asked {
  readonly client: string;
  readonly call: Moment;
  /** Undefined: the call never returned. */
  returned: Moment | undefined;
}

export type ClientOperation = Asked &
  (
    | {
        readonly kind: "set";
        readonly key: string;
        readonly value: string;
        readonly condition: "always" | "ifAbsent" | "ifPresent" | { readonly observed: Observed };
        /** Undefined: the call failed, and it may or may not have taken effect. */
        answer:
          | "stored"
          | "exists"
          | "absent"
          | "versionMismatch"
          | "leaseLost"
          | "olderSourceVersion"
          | undefined;
      }
    | {
        readonly kind: "invalidate";
        readonly keys: readonly string[];
        readonly tags: readonly string[];
        readonly soft: boolean;
        readonly sourceVersion: number;
        answered: boolean;
      }
    | {
        readonly kind: "touch";
        readonly key: string;
        readonly ttlMs: number;
        readonly staleMs: number;
        touched: boolean | undefined;
      }
    | {
        readonly kind: "increment";
        readonly key: string;
        readonly delta: bigint;
        /** Names the operation: no other has the same. */
        readonly initial: bigint;
        /** The counter. Undefined: the call failed, and it may or may not have added. */
        answer: bigint | undefined;
      }
    | { readonly kind: "get"; readonly key: string; observed: Observed | undefined; remote: boolean }
  );

/** A write to the origin whose invalidation or Set was answered, or whose invalidation was queued. */
export interface CompletedWrite {
  readonly client: string;
  readonly key: string;
  readonly row: number;
  readonly soft: boolean;
  readonly call: Moment;
  /** When the writer was told. */
  readonly returned: Moment;
  /** From when on it is published: undefined as long as it is not. */
  published(): Moment | undefined;
}

export interface Operations {
  readonly all: readonly ClientOperation[];
  readonly completedWrites: readonly CompletedWrite[];
  add<Kind extends ClientOperation>(operation: Kind): Kind;
  completed(write: CompletedWrite): void;
}

export function createOperations(): Operations {
  const all: ClientOperation[] = [];
  const completedWrites: CompletedWrite[] = [];
  return {
    all,
    completedWrites,
    add(operation) {
      all.push(operation);
      return operation;
    },
    completed: (write) => completedWrites.push(write),
  };
}
