/** Values come back as they were sent, whatever their size and however many arrive at once: memory is freed when it was read. */
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  BatchRequestSchema,
  BatchResponseSchema,
  CacheService,
  GetRequestSchema,
  GetResponseSchema,
  SetRequestSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { decodeMessage, encodeMessage, methodPath } from "../../../src/codec/messages.ts";
import { createSeededRng } from "../../../src/common/random.ts";
import { connectRaw, framed, type RawConnection, unframed } from "../../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";

const { method } = CacheService;
const KIB = 1024;
const CONNECTIONS = 4;
const PER_CONNECTION = 24;
/** Sizes around those of frames, of what TLS and sockets give at a time, and of pooled memory. */
const SIZES = [1, 4 * KIB, 8 * KIB, 16 * KIB, 64 * KIB, 192 * KIB];
const namespace = "n";

const encode = <Desc extends DescMessage>(schema: Desc, message: MessageInitShape<Desc>): Buffer =>
  framed(encodeMessage(schema, create(schema, message)));

let running: RunningServer;
let connections: RawConnection[];

beforeEach(async () => {
  // A turn ends behind a few frames, so that much waits half read.
  running = await startServer({ transport: { turnMaxBytes: 64 * KIB } });
  connections = [];
  for (let at = 0; at < CONNECTIONS; at++) connections.push(await connectRaw(running.address));
});
afterEach(async () => {
  for (const raw of connections) raw.close();
  await running.stop();
});

interface Sent {
  readonly key: string;
  readonly value: Buffer;
  readonly raw: RawConnection;
}

/** `seed`: of their sizes. */
function makeValues(seed: number): Sent[] {
  const rng = createSeededRng(seed);
  const pick = (below: number) => Math.floor(rng.fraction() * below);
  return connections.flatMap((raw, connection) =>
    Array.from({ length: PER_CONNECTION }, (_, index) => {
      const key = `k${connection}-${index}`;
      const size = (SIZES[pick(SIZES.length)] ?? 1) + pick(3 * KIB);
      return { key, value: Buffer.alloc(size, `${seed} ${key} `), raw };
    }),
  );
}

async function readBack(sent: readonly Sent[]): Promise<string[]> {
  const wrong: string[] = [];
  await Promise.all(
    sent.map(async ({ key, value, raw }) => {
      const { body } = await raw.call(methodPath(method.get), encode(GetRequestSchema, { namespace, key }));
      const { outcome } = decodeMessage(GetResponseSchema, unframed(body)[0] ?? new Uint8Array());
      const same = outcome.case === "hit" && value.equals(outcome.value.value);
      if (!same) wrong.push(`${key} of ${value.length} bytes`);
    }),
  );
  return wrong;
}

it.each([1, 2, 3])("by Sets, at once over several connections (seed %i)", async (seed) => {
  const sent = makeValues(seed);
  await Promise.all(
    sent.map(({ key, value, raw }) =>
      raw.call(methodPath(method.set), encode(SetRequestSchema, { namespace, key, value })),
    ),
  );
  expect(await readBack(sent)).toEqual([]);
});

it.each([1, 2])("by Batches that take several turns (seed %i)", async (seed) => {
  const sent = makeValues(seed);
  await Promise.all(
    connections.map(async (raw) => {
      const own = sent.filter((one) => one.raw === raw && one.value.length < 64 * KIB);
      const operations = own.map(({ key, value }) => ({
        operation: { case: "set" as const, value: { namespace, key, value } },
      }));
      const { body } = await raw.call(methodPath(method.batch), encode(BatchRequestSchema, { operations }));
      const { results } = decodeMessage(BatchResponseSchema, unframed(body)[0] ?? new Uint8Array());
      expect(results.length).toBe(own.length);
    }),
  );
  expect(await readBack(sent.filter(({ value }) => value.length < 64 * KIB))).toEqual([]);
});
