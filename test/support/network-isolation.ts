/**
 * Two namespaces of one server, over the network: what one of them reads, alone and beside another that floods the server.
 * The other sends its operations in a Batch after each Batch of the victim, so that both do the same in each run.
 */
import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import {
  CacheService,
  type OperationResult,
  type OperationSchema,
  type SetResponseSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import type { ServiceClient } from "../../src/rpc/client.ts";
import type { Outcome } from "./isolation.ts";

export type Operation = NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>;
type Result = OperationResult["result"];

/** Reads of the victim in one Batch. */
const BATCH = 50;
const BATCH_MAX_OPERATIONS = 1_000;
const VALUE = new Uint8Array(300);
const TAGS = 50;
const LEASE_MS = 10_000;
/** Keys whose deletion the victim expects to be remembered. */
const REMEMBERED = 20;

export async function batch(
  client: ServiceClient,
  namespace: string,
  operations: readonly Operation[],
): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < operations.length; at += BATCH_MAX_OPERATIONS) {
    const part = operations.slice(at, at + BATCH_MAX_OPERATIONS);
    const response = await client.unary(CacheService.method.batch, {
      namespace,
      operations: part.map((operation) => ({ operation })),
    });
    for (const { result } of response.results) results.push(result);
  }
  return results;
}

/** `flood`: called after each Batch of so many accesses, for as many times ten operations. Default: nothing. */
export async function replayOverNetwork(
  client: ServiceClient,
  namespace: string,
  accesses: readonly number[],
  flood: (accesses: number) => Promise<void> = async () => {},
): Promise<Outcome> {
  const victim = new Victim(client, namespace);
  for (let at = 0; at < accesses.length; at += BATCH) {
    const part = accesses.slice(at, at + BATCH);
    await victim.read(part);
    await victim.invalidate(at, part);
    await victim.deleteOne(BigInt(at + 2));
    await flood(part.length);
  }
  return victim.outcome();
}

class Victim {
  readonly #client: ServiceClient;
  readonly #namespace: string;
  readonly #deleted: string[] = [];
  #reads = 0;
  #hits = 0;
  #leasesRefused = 0;
  #deletionsForgotten = 0;

  constructor(client: ServiceClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  outcome(): Outcome {
    return {
      hitRatio: this.#hits / this.#reads,
      leasesRefused: this.#leasesRefused,
      deletionsForgotten: this.#deletionsForgotten,
    };
  }

  /** Fills what it misses by a lease. */
  async read(accesses: readonly number[]): Promise<void> {
    const keys = [...new Set(accesses)];
    const read = await this.#batch(keys.map((key) => ({ case: "get", value: { key: `k${key}` } })));
    this.#reads += keys.length;
    const missed = keys.filter((_, index) => {
      const result = read[index];
      return !(result?.case === "get" && result.value.outcome.case === "hit");
    });
    this.#hits += keys.length - missed.length;
    if (missed.length === 0) return;
    const leased = await this.#batch(
      missed.map((key) => ({ case: "lease", value: { key: `k${key}`, leaseMs: LEASE_MS } })),
    );
    await this.#batch(missed.flatMap((key, index) => this.#fill(key, leased[index])));
  }

  /** No operation: there was no lease. */
  #fill(key: number, leased: Result | undefined): Operation[] {
    if (leased?.case !== "lease" || leased.value.outcome.case !== "granted") {
      this.#leasesRefused += 1;
      return [];
    }
    const { token } = leased.value.outcome.value;
    const condition = { case: "leaseToken", value: token } as const;
    return [{ case: "set", value: { key: `k${key}`, value: VALUE, tags: [`t${key % TAGS}`], condition } }];
  }

  /** A tag after each 250 accesses, a prefix after each 1,000. */
  async invalidate(at: number, [access = 0]: readonly number[]): Promise<void> {
    const operations: Operation[] = [];
    if (at % 250 === 0)
      operations.push({
        case: "invalidate",
        value: { target: { case: "tags", value: { tags: [`t${access % TAGS}`] } } },
      });
    if (at % 1_000 === 0)
      operations.push({
        case: "invalidate",
        value: { target: { case: "prefix", value: `k${access % 100}` } },
      });
    await this.#batch(operations);
  }

  /** Deletes a key by its source version, and tries to store older values of the last ones. */
  async deleteOne(sourceVersion: bigint): Promise<void> {
    const key = `gone${sourceVersion}`;
    this.#deleted.push(key);
    if (this.#deleted.length > REMEMBERED) this.#deleted.shift();
    const target = keyTarget(key);
    const results = await this.#batch([
      { case: "invalidate", value: { target, sourceVersion } },
      ...this.#deleted.map(
        (one): Operation => ({ case: "set", value: { key: one, value: VALUE, sourceVersion: 1n } }),
      ),
    ]);
    for (const result of results)
      if (result.case === "set" && isStored(result.value)) this.#deletionsForgotten += 1;
  }

  async #batch(operations: readonly Operation[]): Promise<Result[]> {
    return operations.length === 0 ? [] : await batch(this.#client, this.#namespace, operations);
  }
}

function keyTarget(key: string): { case: "keys"; value: { keys: string[] } } {
  return { case: "keys", value: { keys: [key] } };
}

function isStored({ outcome }: MessageShape<typeof SetResponseSchema>): boolean {
  return outcome.case === "stored";
}

/** Reads keys that are mostly not there, and stores them: `next` is a key of its own traffic. */
export function floodOfEntries(
  client: ServiceClient,
  namespace: string,
  times: number,
  next: () => number,
): (accesses: number) => Promise<void> {
  let scanned = 0;
  return async (accesses) => {
    const keys = Array.from({ length: accesses * times }, (_, index) =>
      index % 2 === 0 ? `s${scanned++}` : `k${next()}`,
    );
    const results = await batch(
      client,
      namespace,
      keys.map((key): Operation => ({ case: "get", value: { key } })),
    );
    const missed = keys.filter((_, index) => {
      const result = results[index];
      return !(result?.case === "get" && result.value.outcome.case === "hit");
    });
    const sets = missed.map((key): Operation => ({ case: "set", value: { key, value: VALUE, tags: ["t"] } }));
    if (sets.length > 0) await batch(client, namespace, sets);
  };
}

/** Fills what a server remembers beside entries: fences, leases, deletions, requests. */
export function floodOfRecords(
  client: ServiceClient,
  namespace: string,
  times: number,
): (accesses: number) => Promise<void> {
  let count = 0;
  const next = (): Operation => {
    count += 1;
    const key = `f${count}`;
    switch (count % 5) {
      case 0:
        return { case: "invalidate", value: { target: { case: "tags", value: { tags: [key] } } } };
      case 1:
        return { case: "invalidate", value: { target: { case: "prefix", value: key } } };
      case 2:
        return { case: "lease", value: { key, leaseMs: 60_000 } };
      case 3:
        return { case: "invalidate", value: { target: keyTarget(key), sourceVersion: BigInt(count) } };
      default:
        return { case: "set", value: { key, requestId: BigInt(count), sourceVersion: 1n } };
    }
  };
  return async (accesses) => {
    await batch(client, namespace, Array.from({ length: accesses * times }, next));
  };
}
