/** Answers over HTTP/1.1 are encoded after their handler has run: nobody else may use the memory of their values until then. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  BatchRequestSchema,
  BatchResponseSchema,
  GetRequestSchema,
  GetResponseSchema,
  LeaseRequestSchema,
  LeaseResponseSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { type CacheServer, createServer } from "../../src/server/index.ts";

const VALUE_BYTES = 200_000;
const KEYS = 8;
const ROUNDS = 20;

let server: CacheServer;
let url: string;
beforeAll(async () => {
  server = createServer({ listen: "127.0.0.1:0", http: { listen: "127.0.0.1:0" } });
  await server.start();
  url = `http://${server.httpAddress}`;
  for (let key = 0; key < KEYS; key++) {
    const body = Buffer.alloc(VALUE_BYTES, key + 1);
    expect((await fetch(`${url}/v1/large/${key}`, { method: "PUT", body })).status).toBe(204);
  }
});
afterAll(() => server.close());

/** Asks for all keys at once, again and again. Returns the keys whose answer was another value. */
async function wrongKeys(ask: (key: number) => Promise<Uint8Array | undefined>): Promise<number[]> {
  const wrong: number[] = [];
  const check = async (key: number): Promise<void> => {
    const value = await ask(key);
    const isRight = value?.length === VALUE_BYTES && value.every((byte) => byte === key + 1);
    if (!isRight) wrong.push(key);
  };
  for (let round = 0; round < ROUNDS; round++)
    await Promise.all(Array.from({ length: KEYS }, (_, key) => check(key)));
  return wrong;
}

async function callBinary(method: string, message: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const headers = { "content-type": "application/proto" };
  const path = `${url}/meshcache.v1.CacheService/${method}`;
  const response = await fetch(path, { method: "POST", headers, body: message });
  return new Uint8Array(await response.arrayBuffer());
}

describe("a large value over HTTP/1.1", () => {
  it("is the right one over REST, however many are asked for at once", async () => {
    const ask = async (key: number) =>
      new Uint8Array(await (await fetch(`${url}/v1/large/${key}`)).arrayBuffer());
    expect(await wrongKeys(ask)).toEqual([]);
  });

  it("is the right one of a Get", async () => {
    const ask = async (key: number) => {
      const request = create(GetRequestSchema, { namespace: "large", key: String(key) });
      const bytes = await callBinary("Get", toBinary(GetRequestSchema, request));
      const { outcome } = fromBinary(GetResponseSchema, bytes);
      return outcome.case === "hit" ? outcome.value.value : undefined;
    };
    expect(await wrongKeys(ask)).toEqual([]);
  });

  it("is the right one of a Lease", async () => {
    const ask = async (key: number) => {
      const request = create(LeaseRequestSchema, { namespace: "large", key: String(key) });
      const bytes = await callBinary("Lease", toBinary(LeaseRequestSchema, request));
      const { outcome } = fromBinary(LeaseResponseSchema, bytes);
      return outcome.case === "hit" ? outcome.value.value : undefined;
    };
    expect(await wrongKeys(ask)).toEqual([]);
  });

  it("is the right one of a Batch", async () => {
    const ask = async (key: number) => {
      const operations = [{ operation: { case: "get" as const, value: { key: String(key) } } }];
      const request = create(BatchRequestSchema, { namespace: "large", operations });
      const bytes = await callBinary("Batch", toBinary(BatchRequestSchema, request));
      const result = fromBinary(BatchResponseSchema, bytes).results[0]?.result;
      const outcome = result?.case === "get" ? result.value.outcome : undefined;
      return outcome?.case === "hit" ? outcome.value.value : undefined;
    };
    expect(await wrongKeys(ask)).toEqual([]);
  });
});
