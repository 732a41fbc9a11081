/** A caller has the answer of the service before it is stored. What its process does next is as if it were. */
import { type ServiceDefinition, status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { MeshCache } from "../../src/index.ts";
import type { Answer } from "../../src/responses/answer.ts";
import { createCacheInterceptor } from "../../src/responses/grpc/index.ts";
import type { ReadRule } from "../../src/responses/options/read-rule.ts";
import { PendingFills } from "../../src/responses/pending-fills.ts";
import { type KeyedCall, ResponseCache } from "../../src/responses/response-cache.ts";
import { startTestCache } from "../../src/testing/index.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { connectUsers, createUsersService, listen } from "./users-server.ts";
import { loadUsers, PATIENT, PATIENT_WRITES } from "./users-service.ts";

const definition = loadUsers(false) as ServiceDefinition;
const GET_USER = "/users.v1.UserService/GetUser";
const RESPONSE = Buffer.from("response");
const ANSWER: Answer = { code: 0, details: "", message: RESPONSE, metadata: [], trailers: [] };
const NOBODY = { names: [], valuesOf: () => [] };

/** The keyed call of a GetUser. */
function keyOf(responses: ResponseCache, request: Uint8Array): KeyedCall {
  const call = responses.keyOf(responses.ruleOf(GET_USER) as ReadRule, request, NOBODY, undefined);
  if (call === undefined) throw new Error("the call has no key");
  return call;
}

interface Unstored extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly cache: MeshCache;
  readonly responses: ResponseCache;
  readonly call: KeyedCall;
  /** An answer of the service. What is sent to the cache from then on is lost, until the connection is reset. */
  readonly answerUnstored: () => Promise<Answer>;
}

async function startUnstored(fills?: PendingFills): Promise<Unstored> {
  const stack = new AsyncDisposableStack();
  const mesh = stack.use(await startTestCache({ client: PATIENT }));
  const proxy = stack.use(await startFaultProxy(mesh.address));
  const cache = stack.use(new MeshCache({ ...PATIENT, address: proxy.address }));
  await cache.namespace("warm-up").get("warm-up");
  const responses = new ResponseCache({ ...PATIENT_WRITES, cache }, [definition], fills);
  return {
    proxy,
    cache,
    responses,
    call: keyOf(responses, Buffer.from([])),
    answerUnstored: async () => {
      proxy.swallowRequests();
      return ANSWER;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const never = () => Promise.reject(new Error("the service must not be called"));

describe("an answer that is on its way into the cache", () => {
  it("is with its caller already, and the next call of its process waits for it", async () => {
    await using at = await startUnstored();
    const first = await at.responses.read(at.call, at.answerUnstored);
    expect(first).toEqual({ answer: ANSWER, source: "miss", isOwn: true });
    let isAnswered = false;
    const next = at.responses
      .read(at.call, async () => ANSWER)
      .then((sourced) => {
        isAnswered = true;
        return sourced;
      });
    // Another key is read over a connection of its own meanwhile.
    await using other = new MeshCache({ ...PATIENT, address: at.proxy.target });
    await other.namespace("users").get("1");
    expect(isAnswered).toBe(false);
    at.proxy.reset();
    expect((await next)?.answer.message).toEqual(RESPONSE);
  });

  it("is found in memory by the next call, once it is stored", async () => {
    await using at = await startUnstored();
    for (const source of ["miss", "near", "near"]) {
      const load = source === "miss" ? async () => ANSWER : never;
      expect(await at.responses.read(at.call, load)).toMatchObject({ source });
    }
  });

  it("is sent to the cache behind what its caller asks for at once", async () => {
    await using at = await startUnstored();
    const { responses, cache } = at;
    const sent = () => {
      const { batches, operations } = cache.stats().connection;
      return { batches, operations };
    };
    const before = sent();
    await responses.read(at.call, async () => ANSWER);
    // Its lease does not wait behind the Set of the one before.
    await responses.read(keyOf(responses, Buffer.from([10, 1, 97])), async () => ANSWER);
    await expect.poll(() => sent().operations - before.operations).toBe(4);
    expect(sent().batches - before.batches).toBe(4);
  });

  it("is waited for by its caller where there are too many of them", async () => {
    await using at = await startUnstored(new PendingFills(0));
    let isAnswered = false;
    const first = at.responses.read(at.call, at.answerUnstored).then((sourced) => {
      isAnswered = true;
      return sourced;
    });
    await using other = new MeshCache({ ...PATIENT, address: at.proxy.target });
    await other.namespace("users").get("1");
    expect(isAnswered).toBe(false);
    at.proxy.reset();
    expect(await first).toMatchObject({ answer: ANSWER, isOwn: true });
  });

  it("is counted where it cannot be stored", async () => {
    await using at = await startUnstored();
    const tooLong = { ...ANSWER, message: Buffer.alloc(8 * 2 ** 20) };
    expect(await at.responses.read(at.call, async () => tooLong)).toMatchObject({ answer: tooLong });
    await expect.poll(() => at.cache.stats().loads.loadsUnkept).toBe(1);
  });

  it("is stored before the cache is closed", async () => {
    await using at = await startUnstored();
    await at.responses.read(at.call, async () => ANSWER);
    await at.cache.close();
    await using other = new MeshCache({ ...PATIENT, address: at.proxy.target });
    const responses = new ResponseCache({ cache: other }, [definition]);
    expect(await responses.read(at.call, never)).toMatchObject({ source: "remote" });
  });

  it("is never served after a write that followed it in its process", async () => {
    await using mesh = await startTestCache({ client: PATIENT });
    const service = createUsersService();
    await using server = await listen(definition, service.handlers);
    const options = { ...PATIENT_WRITES, cache: mesh.cache, definitions: definition };
    using client = connectUsers(server.address, definition, [createCacheInterceptor(options)]);
    const request = { tenantId: "acme", userId: "1" };
    for (let write = 1; write <= 100; write += 1) {
      const name = `name ${write}`;
      expect(await client.call("GetUser", request)).toMatchObject({ code: status.OK, mark: "miss" });
      expect((await client.call("RenameUser", { ...request, name })).mark).toBe("invalidated");
      expect((await client.call("GetUser", request)).response).toMatchObject({ name });
      expect((await client.call("RenameUser", { ...request, name })).mark).toBe("invalidated");
    }
  });
});

describe("PendingFills", () => {
  it("forgets what has ended, whether it failed or not", async () => {
    const fills = new PendingFills(2);
    fills.add("a", Promise.resolve());
    fills.add("b", Promise.reject(new Error("not stored")));
    expect(fills.hasRoom).toBe(false);
    await Promise.all([fills.of("a"), fills.of("b")]);
    expect([fills.of("a"), fills.of("b"), fills.hasRoom]).toEqual([undefined, undefined, true]);
  });
});
