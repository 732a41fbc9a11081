/** The options of all adapters, and of what caches responses: what is wrong with them is said by name, before anything is kept. */
import fastify from "fastify";
import { describe, expect, it } from "vitest";
import { createKeyValueCache } from "../../src/adapters/apollo/index.ts";
import {
  meshcacheBusDriver,
  meshcacheDriver as meshcacheLayerDriver,
} from "../../src/adapters/bentocache/index.ts";
import { meshcache } from "../../src/adapters/fastify/index.ts";
import { createKeyv6Store, createKeyvStore } from "../../src/adapters/keyv/index.ts";
import { createCacheHandler } from "../../src/adapters/next/index.ts";
import { meshcacheDriver } from "../../src/adapters/unstorage/index.ts";
import { MeshCache } from "../../src/index.ts";
import { ResponseCache } from "../../src/responses/response-cache.ts";
import { createCacheStore } from "../../src/responses/undici/index.ts";

const ADAPTERS: readonly (readonly [string, (options: never) => unknown])[] = [
  ["createKeyvStore", createKeyvStore],
  ["createKeyv6Store", createKeyv6Store],
  ["createKeyValueCache", createKeyValueCache],
  ["meshcacheDriver of BentoCache", meshcacheLayerDriver],
  ["meshcacheBusDriver", meshcacheBusDriver],
  ["meshcacheDriver of unstorage", meshcacheDriver],
  ["createCacheHandler", createCacheHandler],
  ["createCacheStore of undici", createCacheStore],
];

const refusal = (field: string) =>
  expect.objectContaining({ reason: "FIELD_INVALID", detail: expect.objectContaining({ field }) });

describe.each(ADAPTERS)("%s", (_, create) => {
  const make = (options: unknown) => () => create(options as never);

  it("says that it needs a client, also to who hands the client itself over", async () => {
    await using cache = new MeshCache({ address: "127.0.0.1:1", onEvent: () => {} });
    for (const options of [undefined, null, {}, { cache: undefined }, { cache: {} }, cache]) {
      expect(make(options)).toThrow(refusal("cache"));
    }
  });

  it("says which option is none", async () => {
    await using cache = new MeshCache({ address: "127.0.0.1:1", onEvent: () => {} });
    expect(make({ cache, nameSpace: "users" })).toThrow(refusal("nameSpace"));
    expect(make({ cache, namespace: "users" })).not.toThrow();
  });
});

describe("the plugin of Fastify", () => {
  it.each([{}, { namespace: "users" }, { cache: {}, namespace: "users" }])(
    "says that it needs a client: %j",
    async (options) => {
      await expect(fastify().register(meshcache, options as never)).rejects.toEqual(refusal("cache"));
    },
  );
});

describe("a cache of responses of gRPC services", () => {
  it("says that it needs a client", () => {
    expect(() => new ResponseCache({} as never, [])).toThrow(refusal("cache"));
  });
});

describe("meshcacheDriver of unstorage", () => {
  it("refuses a ttl that is no time", async () => {
    await using cache = new MeshCache({ address: "127.0.0.1:1", onEvent: () => {} });
    for (const ttl of [-1, Number.NaN, "60"] as number[]) {
      expect(() => meshcacheDriver({ cache, ttl })).toThrow(refusal("ttl"));
    }
  });
});
