/** Operations of the library as commands of a store, and their results: so that the tap of a store can judge them. */
import type {
  GetCommand,
  IncrementCommand,
  InvalidateCommand,
  LeaseCommand,
  SetCommand,
  SetCondition,
  TouchCommand,
  Writer,
} from "../../../src/store/api/store.ts";
import { OPERATION } from "../../../src/tier/library/operations.ts";
import { TextReader } from "../../../src/tier/library/text-reader.ts";

export type StoreCommand =
  | { readonly kind: "get"; readonly command: GetCommand }
  | { readonly kind: "set"; readonly command: SetCommand }
  | { readonly kind: "touch"; readonly command: TouchCommand }
  | { readonly kind: "increment"; readonly command: IncrementCommand }
  | { readonly kind: "lease"; readonly command: LeaseCommand; readonly token: bigint }
  | { readonly kind: "release"; readonly key: string; readonly token: bigint }
  | { readonly kind: "invalidate"; readonly command: InvalidateCommand };

const NUMBER_BYTES = 6;
const META_ONLY = 1;
const STALE_TOO = 2;
const ABSENT = 2;
const ALL_TARGET = 3;
const CONDITIONS = ["always", "ifAbsent", "ifPresent", "ifVersion", "lease"] as const;

/** Undefined: one that no judge looks at. */
export function readOperation(bytes: Buffer): StoreCommand | undefined {
  const texts = new TextReader(bytes, 1);
  const namespace = texts.short();
  const origin = texts.long();
  const writer: Writer = { origin, traceparent: texts.short() };
  const key = texts.long();
  const rest = new FieldReader(bytes, texts.at);
  const on = { namespace, key };
  switch (bytes[0]) {
    case OPERATION.get: {
      const flags = rest.byte();
      if ((flags & META_ONLY) !== 0) return undefined;
      const allowStale = (flags & STALE_TOO) !== 0;
      return { kind: "get", command: { ...on, allowStale, ifVersion: 0, ifEpoch: 0n } };
    }
    case OPERATION.set:
      return { kind: "set", command: { ...on, writer, ...readSetFields(rest) } };
    case OPERATION.touch:
      return { kind: "touch", command: { ...on, writer, ttlMs: rest.number(), staleMs: rest.number() } };
    case OPERATION.increment:
      return { kind: "increment", command: { ...on, writer, ...readIncrementFields(rest) } };
    case OPERATION.lease:
      return {
        kind: "lease",
        command: { ...on, leaseMs: rest.number(), waitMs: 0, holder: 0 },
        token: rest.uint64(),
      };
    case OPERATION.release:
      return { kind: "release", key, token: rest.uint64() };
    case OPERATION.invalidateKeys: {
      const soft = rest.byte() === 1;
      const sourceVersion = rest.uint64();
      const target = { kind: "keys", keys: rest.texts().rest() } as const;
      return { kind: "invalidate", command: { namespace, writer, soft, sourceVersion, target } };
    }
    case OPERATION.invalidateTags: {
      const soft = rest.byte() === 1;
      const target = { kind: "tags", tags: rest.texts().rest() } as const;
      return { kind: "invalidate", command: { namespace, writer, soft, sourceVersion: 0n, target } };
    }
    case OPERATION.invalidatePrefix: {
      const soft = rest.byte() === 1;
      const isAll = rest.byte() === ALL_TARGET;
      const prefix = rest.texts().long();
      const target = isAll ? ({ kind: "all" } as const) : ({ kind: "prefix", prefix } as const);
      return { kind: "invalidate", command: { namespace, writer, soft, sourceVersion: 0n, target } };
    }
    default:
      return undefined;
  }
}

function readSetFields(rest: FieldReader): Omit<SetCommand, "namespace" | "key" | "writer"> {
  const { condition, firstEpoch } = readCondition(rest);
  const requestId = rest.uint64();
  const sourceVersion = rest.uint64();
  const ttlMs = rest.number();
  const staleMs = rest.number();
  const absent = (rest.byte() & ABSENT) !== 0;
  const tailBytes = rest.length();
  const texts = rest.texts();
  const end = texts.at + tailBytes;
  const contentType = texts.short();
  const contentEncoding = texts.short();
  const tags = texts.rest(end);
  const value = rest.bytes.subarray(end);
  return {
    ...{ condition, requestId, firstEpoch, sourceVersion, ttlMs, staleMs, absent },
    ...{ contentType, contentEncoding, tags, value },
  };
}

function readIncrementFields(rest: FieldReader): Omit<IncrementCommand, "namespace" | "key" | "writer"> {
  const { condition, firstEpoch } = readCondition(rest);
  if (condition.kind === "lease") throw new Error("an Increment has no lease");
  const requestId = rest.uint64();
  const ttlMs = rest.number();
  const staleMs = rest.number();
  const texts = rest.texts();
  const delta = BigInt(texts.short());
  return { condition, requestId, firstEpoch, ttlMs, staleMs, delta, initial: BigInt(texts.short()) };
}

function readCondition(rest: FieldReader): { condition: SetCondition; firstEpoch: bigint } {
  const kind = CONDITIONS[rest.byte()] ?? "always";
  const operand = rest.uint64();
  const epoch = rest.uint64();
  if (kind === "ifVersion") return { condition: { kind, version: Number(operand), epoch }, firstEpoch: 0n };
  return { condition: kind === "lease" ? { kind, token: operand } : { kind }, firstEpoch: epoch };
}

class FieldReader {
  readonly bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.#at = at;
  }

  byte(): number {
    this.#at += 1;
    return this.bytes[this.#at - 1] ?? 0;
  }

  length(): number {
    this.#at += 3;
    return this.bytes.readUIntBE(this.#at - 3, 3);
  }

  number(): number {
    this.#at += NUMBER_BYTES;
    return this.bytes.readUIntBE(this.#at - NUMBER_BYTES, NUMBER_BYTES);
  }

  uint64(): bigint {
    this.#at += 8;
    return this.bytes.readBigUInt64BE(this.#at - 8);
  }

  texts(): TextReader {
    return new TextReader(this.bytes, this.#at);
  }
}
