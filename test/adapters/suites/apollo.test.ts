/** Apollo Server with its persisted queries in the cache, directly and through Keyv: one process finds what another has kept. */
import { createHash } from "node:crypto";
import { ApolloServer } from "@apollo/server";
import { KeyvAdapter } from "@apollo/utils.keyvadapter";
import {
  ErrorsAreMissesCache,
  type KeyValueCache,
  PrefixingKeyValueCache,
} from "@apollo/utils.keyvaluecache";
import { Keyv } from "keyv";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createKeyValueCache } from "../../../src/adapters/apollo/index.ts";
import { createKeyvStore } from "../../../src/adapters/keyv/index.ts";
import type { MeshCache } from "../../../src/index.ts";
import { eventually } from "../../support/eventually.ts";
import { type Served, serve } from "./served.ts";

const caches: readonly [string, (cache: MeshCache) => KeyValueCache][] = [
  ["createKeyValueCache()", (cache) => createKeyValueCache({ cache })],
  [
    "KeyvAdapter of createKeyvStore()",
    (cache) => new KeyvAdapter(new Keyv({ store: createKeyvStore({ cache }) }) as never),
  ],
];

describe.each(caches)("Apollo with %s", (_, create) => {
  let served: Served;
  beforeAll(async () => {
    served = await serve();
  });
  afterAll(() => served[Symbol.asyncDispose]());

  it("keeps what Apollo's wrappers give, with and without a ttl", async () => {
    const [one, other] = [served.connect(), served.connect()].map(
      (cache) => new ErrorsAreMissesCache(new PrefixingKeyValueCache(create(cache), "fqc:")),
    );
    await one?.set("key", "value", { ttl: 60 });
    await one?.set("null", "value", { ttl: null });
    await one?.set("forever", "value");
    const read = () => Promise.all(["key", "null", "forever", "none"].map((key) => other?.get(key)));
    expect(await read()).toEqual(["value", "value", "value", undefined]);
    await one?.delete("key");
    await eventually(async () => expect(await read()).toEqual([undefined, "value", "value", undefined]));
  });

  it("answers a persisted query that another process was told", async () => {
    const query = "{ hello }";
    const extensions = {
      persistedQuery: { version: 1, sha256Hash: createHash("sha256").update(query).digest("hex") },
    };
    const servers = [served.connect(), served.connect()].map(
      (cache) =>
        new ApolloServer({
          typeDefs: "type Query { hello: String }",
          resolvers: { Query: { hello: () => "world" } },
          cache: create(cache),
        }),
    );
    const ask = async (server: number, request: object) => {
      const { body } = (await servers[server]?.executeOperation(request)) ?? {};
      return body?.kind === "single" ? body.singleResult : undefined;
    };
    expect((await ask(1, { extensions }))?.errors?.[0]?.extensions?.code).toBe("PERSISTED_QUERY_NOT_FOUND");
    expect((await ask(0, { query, extensions }))?.data).toEqual({ hello: "world" });
    // Apollo does not wait until it is kept.
    await eventually(async () => expect((await ask(1, { extensions }))?.data).toEqual({ hello: "world" }));
    for (const server of servers) await server.stop();
  });
});
