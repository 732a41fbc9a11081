/** Responses of services of Connect, cached by an interceptor of their clients or of their servers. */
import { create, type DescMessage, type DescMethodUnary, type Message, toJson } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createRouterTransport,
  type HandlerContext,
  type Interceptor,
  type ServiceImpl,
} from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { createCacheInterceptor } from "../../src/responses/connect/index.ts";
import { startTestCache, type TestCache } from "../../src/testing/index.ts";
import { describeUsers, PATIENT, PATIENT_WRITES } from "./users-service.ts";

const users = describeUsers();

interface Seen {
  readonly response: unknown;
  readonly code: number;
  readonly message: string;
  readonly details: readonly Message[];
  readonly mark: string | null;
}

/** The service behind a transport in this process, and how often its methods have run. */
function serve(mesh: TestCache, side: "client" | "server", before: readonly Interceptor[] = []) {
  const calls: Record<string, number> = {};
  const names = new Map<string, string>();
  let release: (() => void) | undefined;
  const state = { calls, names, gate: undefined as Promise<void> | undefined, open: () => release?.() };
  const implementation = {
    async getUser(request: { tenantId: string; userId: bigint }, context: HandlerContext) {
      calls.getUser = (calls.getUser ?? 0) + 1;
      await state.gate;
      context.responseHeader.set("x-region", "eu");
      if (request.userId === 404n) {
        const detail = { desc: StatusSchema, value: { message: "more" } };
        throw new ConnectError("no such user", Code.NotFound, undefined, [detail]);
      }
      if (request.userId === 500n) throw new ConnectError("broken", Code.Internal);
      return { userId: request.userId, name: names.get(String(request.userId)) ?? "nobody" };
    },
    renameUser(request: { userId: bigint; name: string }) {
      names.set(String(request.userId), request.name);
      if (request.name === "lost") throw new ConnectError("lost", Code.Unavailable);
      return { name: request.name };
    },
  } as unknown as Partial<ServiceImpl<typeof users.service>>;
  const connect = (cache = mesh.cache) => {
    const interceptors = [
      ...before,
      createCacheInterceptor({ ...PATIENT_WRITES, cache, services: users.service }),
    ];
    const transport = createRouterTransport(
      (router) => router.service(users.service, implementation),
      side === "client" ? { transport: { interceptors } } : { router: { interceptors } },
    );
    return async (
      name: string,
      input: Record<string, unknown>,
      header: Record<string, string> = {},
      timeoutMs?: number,
    ) => {
      const method = users.service.method[name] as DescMethodUnary<DescMessage, DescMessage>;
      try {
        const answer = await transport.unary(
          method,
          undefined,
          timeoutMs,
          header,
          create(method.input, input),
        );
        const mark = answer.header.get("x-meshcache") ?? answer.trailer.get("x-meshcache");
        const response = toJson(method.output, answer.message);
        return { response, code: 0, message: "", details: [], mark } satisfies Seen;
      } catch (thrown) {
        const error = ConnectError.from(thrown);
        const details = error.findDetails(StatusSchema);
        const mark = error.metadata.get("x-meshcache");
        return {
          response: undefined,
          code: error.code,
          message: error.rawMessage,
          details,
          mark,
        } satisfies Seen;
      }
    };
  };
  const close = () => {
    state.gate = new Promise((resolve) => {
      release = resolve;
    });
  };
  return { state, connect, close };
}

describe.each(["client", "server"] as const)("an interceptor of a %s of Connect", (side) => {
  it("answers from the service, from memory and from the cache, and a write makes it fresh", async () => {
    await using mesh = await startTestCache({ client: PATIENT });
    const { state, connect } = serve(mesh, side);
    const [call, other] = [connect(), connect(mesh.connect(PATIENT))];
    const request = { tenantId: "acme", userId: 42n };
    const marks = [];
    for (const ask of [call, call, other]) marks.push((await ask("getUser", request)).mark);
    expect(marks).toEqual(["miss", "near", "remote"]);
    expect(state.calls.getUser).toBe(1);
    const written = await other("renameUser", { ...request, name: "Ada" });
    expect(written).toMatchObject({ response: { name: "Ada" }, mark: "invalidated" });
    await mesh.cache.sync();
    expect((await call("getUser", request)).response).toMatchObject({ name: "Ada" });
    const lost = await other("renameUser", { ...request, name: "lost" });
    expect(lost).toMatchObject({ code: Code.Unavailable, mark: "invalidated" });
  });

  it("keeps errors that are declared, with their details, and passes calls with credentials on", async () => {
    await using mesh = await startTestCache({ client: PATIENT });
    const { state, connect } = serve(mesh, side);
    const call = connect();
    const missing = { tenantId: "acme", userId: 404n };
    const first = await call("getUser", missing);
    expect(first).toMatchObject({ code: Code.NotFound, message: "no such user" });
    expect(first.details).toMatchObject([{ message: "more" }]);
    expect(await call("getUser", missing)).toEqual({ ...first, mark: "near" });
    for (const _ of [1, 2]) {
      expect(await call("getUser", { tenantId: "acme", userId: 500n })).toMatchObject({
        code: Code.Internal,
        message: "broken",
      });
    }
    expect(state.calls.getUser).toBe(3);
    const passed = await call("getUser", missing, { authorization: "Bearer 1" });
    expect(passed).toMatchObject({ code: Code.NotFound, mark: null });
    expect(state.calls.getUser).toBe(4);
  });

  it("asks the service once for many callers, each with a deadline of its own", async () => {
    await using mesh = await startTestCache({ client: PATIENT });
    const { state, connect, close } = serve(mesh, side);
    const call = connect();
    const request = { tenantId: "acme", userId: 7n };
    close();
    const late = call("getUser", request, {}, 50);
    const patient = Array.from({ length: 10 }, () => call("getUser", request, {}, 20_000));
    expect((await late).code).toBe(Code.DeadlineExceeded);
    state.open();
    for (const seen of await Promise.all(patient)) expect(seen.code).toBe(0);
    expect(state.calls.getUser).toBe(1);
  });
});

describe("an interceptor of a server of Connect", () => {
  it("comes after those that decide who may call", async () => {
    await using mesh = await startTestCache({ client: PATIENT });
    const authorize: Interceptor = (next) => (request) => {
      if (request.header.get("x-request-id") !== "good")
        throw new ConnectError("not you", Code.PermissionDenied);
      return next(request);
    };
    const call = serve(mesh, "server", [authorize]).connect();
    const request = { tenantId: "acme", userId: 42n };
    expect((await call("getUser", request, { "x-request-id": "good" })).mark).toBe("miss");
    expect((await call("getUser", request, { "x-request-id": "good" })).mark).toBe("near");
    expect((await call("getUser", request)).code).toBe(Code.PermissionDenied);
  });
});
