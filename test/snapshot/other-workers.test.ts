/** Restarts of real server processes, each with another number of workers than the one before. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  CacheService,
  InvalidateRequest_Mode,
  NotStored_Reason,
  type Opened,
  type StreamResponse,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { createServiceClient, type ServiceClient } from "../../src/rpc/client.ts";
import { type ServerProcess, startServerProcess, stopServerProcess } from "../support/server-process.ts";

const { method } = CacheService;
const namespace = "n";
const KEYS = Array.from({ length: 120 }, (_, number) => `k${number}`);
const TAGS = 6;
/** Enough that the system spreads them over all workers. */
const CONNECTIONS = 12;
const OWN_CONNECTION = { "grpc.use_local_subchannel_pool": 1 };
const WORKERS = [1, 3, 2, 4, 1];

/** What a client knows of an entry. */
interface Known {
  readonly version: bigint;
  readonly shard: number | undefined;
}

/** What clients have of a life that is to end. */
interface Life {
  readonly epoch: bigint;
  readonly cursor: Uint8Array<ArrayBuffer>;
  readonly leaseToken: bigint;
  readonly known: ReadonlyMap<string, Known>;
  readonly onceVersion: bigint;
}

let folder: string;
let server: ServerProcess | undefined;
let clients: ServiceClient[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "meshcache-workers-"));
});
afterEach(() => {
  for (const client of clients) client.close();
  server?.child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

async function start(workers: number): Promise<ServerProcess> {
  server = await startServerProcess(["--snapshot", join(folder, "snapshot"), "--workers", `${workers}`]);
  const { address } = server;
  clients = Array.from({ length: CONNECTIONS }, () =>
    createServiceClient(address, credentials.createInsecure(), OWN_CONNECTION),
  );
  return server;
}

async function stop(running: ServerProcess): Promise<void> {
  for (const client of clients.splice(0)) client.close();
  await stopServerProcess(running);
}

/** Each time over another connection. */
function client(): ServiceClient {
  const [first, ...others] = clients;
  if (first === undefined) throw new Error("no server runs");
  clients = [...others, first];
  return first;
}

const tagOf = (key: string): string => `t${Number(key.slice(1)) % TAGS}`;
const isGone = (key: string): boolean => tagOf(key) === "t1" || key.startsWith("k11");
const isSoft = (key: string): boolean => tagOf(key) === "t2" && !isGone(key);

const once = () =>
  client().unary(method.set, {
    namespace,
    key: "once",
    requestId: 9n,
    condition: { case: "ifAbsent", value: true },
  });
const versioned = (sourceVersion: bigint) =>
  client().unary(method.set, { namespace, key: "versioned", sourceVersion });
const get = (key: string, more: { ifVersion?: bigint; ifEpoch?: bigint; allowStale?: boolean } = {}) =>
  client().unary(method.get, { namespace, key, ...more });
const invalidateTags = (tags: string[], mode: InvalidateRequest_Mode = InvalidateRequest_Mode.HARD) =>
  client().unary(method.invalidate, { namespace, mode, target: { case: "tags", value: { tags } } });

/** The frames of a stream from a cursor on, until it has caught up. */
async function readFrom(cursor: Uint8Array<ArrayBuffer>): Promise<StreamResponse["frame"][]> {
  const stream = client().serverStream(method.stream, { namespace, cursor });
  stream.on("error", () => {});
  const frames: StreamResponse["frame"][] = [];
  for await (const { frame } of stream) {
    frames.push(frame);
    if (frame.case === "progress") break;
  }
  return frames;
}

function openedOf([first]: readonly StreamResponse["frame"][]): Opened {
  if (first?.case !== "opened") throw new Error("the first frame is Opened");
  return first.value;
}

/** Writes some of everything, and what no client has heard of yet. */
async function live(): Promise<Life> {
  const known = new Map<string, Known>();
  for (const key of KEYS) {
    const { asOf, outcome } = await client().unary(method.set, {
      ...{ namespace, key, value: Buffer.from(`value of ${key}`), tags: [tagOf(key)] },
      ...{ ttlMs: 600_000n, staleMs: 600_000n },
    });
    if (outcome.case !== "stored") throw new Error("a Set without a condition is stored");
    known.set(key, { version: outcome.value.version, shard: asOf?.shard });
  }
  await invalidateTags(["t1"]);
  await client().unary(method.invalidate, { namespace, target: { case: "prefix", value: "k11" } });
  await invalidateTags(["t2"], InvalidateRequest_Mode.SOFT);
  await versioned(7n);
  await client().unary(method.invalidate, {
    namespace,
    sourceVersion: 8n,
    target: { case: "keys", value: { keys: ["versioned"] } },
  });
  const stored = await once();
  const lease = await client().unary(method.lease, { namespace, key: "leased", leaseMs: 60_000 });
  const opened = openedOf(await readFrom(new Uint8Array()));
  await client().unary(method.set, { namespace, key: "unheard" });
  return {
    epoch: opened.epoch,
    cursor: Uint8Array.from(opened.cursor),
    leaseToken: lease.outcome.case === "granted" ? lease.outcome.value.token : 0n,
    known,
    onceVersion: stored.outcome.case === "stored" ? stored.outcome.value.version : 0n,
  };
}

async function expectEntries({ known, epoch }: Life): Promise<void> {
  for (const [key, { version, shard }] of known) {
    const found = await get(key, { allowStale: true });
    expect(found.asOf?.shard, key).toBe(shard);
    if (isGone(key)) {
      expect(found.outcome.case, key).toBe("miss");
      continue;
    }
    const hit = {
      version,
      tags: [tagOf(key)],
      stale: isSoft(key),
      value: Uint8Array.from(Buffer.from(`value of ${key}`)),
    };
    expect(found.outcome, key).toMatchObject({ case: "hit", value: hit });
    if (isSoft(key)) continue;
    const revalidated = await get(key, { ifVersion: version, ifEpoch: epoch });
    expect(revalidated.outcome.case, key).toBe("notModified");
  }
}

async function expectContinued(life: Life): Promise<void> {
  const frames = await readFrom(life.cursor);
  const { epoch, continues } = openedOf(frames);
  expect(epoch).not.toBe(life.epoch);
  expect(continues[0]?.epoch).toBe(life.epoch);
  expect(frames.map((frame) => frame.case)).not.toContain("gap");
  const events = frames.flatMap((frame) => (frame.case === "events" ? frame.value.events : []));
  expect(events.map(({ target }) => target.value)).toEqual(["unheard"]);
}

async function expectConditions({ known, epoch, leaseToken, onceVersion }: Life): Promise<void> {
  const version = known.get("k0")?.version ?? 0n;
  const ifVersion = { case: "ifVersion", value: version } as const;
  const conditional = { namespace, key: "k0", tags: [tagOf("k0")], condition: ifVersion, ifEpoch: epoch };
  expect((await client().unary(method.set, conditional)).outcome.case).toBe("stored");

  expect((await once()).outcome).toMatchObject({ case: "stored", value: { version: onceVersion } });
  expect((await versioned(7n)).outcome).toMatchObject({
    case: "notStored",
    value: { reason: NotStored_Reason.OLDER_SOURCE_VERSION },
  });

  expect(leaseToken).not.toBe(0n);
  const condition = { case: "leaseToken", value: leaseToken } as const;
  const filled = await client().unary(method.set, { namespace, key: "leased", condition });
  expect(filled.outcome).toMatchObject({
    case: "notStored",
    value: { reason: NotStored_Reason.LEASE_LOST },
  });
  const lease = await client().unary(method.lease, { namespace, key: "leased" });
  expect(lease.outcome.case).toBe("granted");
  const release = { releaseToken: lease.outcome.case === "granted" ? lease.outcome.value.token : 0n };
  await client().unary(method.lease, { namespace, key: "leased", ...release });
}

/** The entries are found by their tags still. */
async function expectTags(): Promise<void> {
  await invalidateTags(["t3"]);
  for (const key of KEYS) {
    const outcome = (await get(key)).outcome.case;
    expect(outcome, key).toBe(isGone(key) || isSoft(key) || tagOf(key) === "t3" ? "miss" : "hit");
  }
}

describe("a restart with another number of workers", () => {
  it("keeps all that a snapshot keeps, with more of them and with fewer", async () => {
    const [first = 1, ...others] = WORKERS;
    let running = await start(first);
    let life = await live();
    for (const workers of others) {
      await stop(running);
      running = await start(workers);
      await expectEntries(life);
      await expectContinued(life);
      await expectConditions(life);
      await expectTags();
      // So that the next life begins as this one did.
      await client().unary(method.invalidate, {
        namespace,
        target: { case: "keys", value: { keys: ["once"] } },
      });
      life = await live();
    }
  });
});
