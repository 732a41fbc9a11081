/** The exchange session on a store that answers later. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  ExchangeRequestSchema,
  type ExchangeResponse,
  type OperationSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../../../src/common/errors.ts";
import { resolveLimits } from "../../../src/rpc/limits.ts";
import type { Access } from "../../../src/security/access/access.ts";
import { AuditLog } from "../../../src/security/access/audit-log.ts";
import { readPolicy } from "../../../src/security/policy/policy.ts";
import { PolicyInForce } from "../../../src/security/policy/policy-access.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { createExchangeSession } from "../../../src/server/streams/exchange-session.ts";
import { createStore } from "../../../src/store/engine/create-store.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { createLateStore } from "../../support/late-store.ts";

type Frame = NonNullable<MessageInitShape<typeof ExchangeRequestSchema>["frame"]>;
type Operation = NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>;

const namespace = "n";
const open: Frame = { case: "open", value: {} };
const subscribe: Frame = { case: "subscription", value: { selectors: [{ namespace }] } };
const ping: Frame = { case: "ping", value: { nonce: 7n } };
const batchOf = (...operations: Operation[]): Frame => ({
  case: "batch",
  value: { namespace, operations: operations.map((operation) => ({ operation })) },
});
const set = (key: string, bytes = 1): Operation => ({
  case: "set",
  value: { key, value: new Uint8Array(bytes) },
});
const get = (key: string): Operation => ({ case: "get", value: { key } });

const policyFor = (...may: readonly string[]) => {
  const principals = [{ name: "c", match: ["token:c"], allow: [{ namespaces: [namespace], may }] }];
  return readPolicy("policy", JSON.stringify({ principals }));
};

/** Queues of functions that a test runs: what the store has answered, and turns of the event loop. */
function harness({
  frameMaxBytes = 256 * 1024,
  sendMaxBytes = 4 << 20,
  access,
}: {
  readonly frameMaxBytes?: number;
  readonly sendMaxBytes?: number;
  readonly access?: Access;
} = {}) {
  const answers: (() => void)[] = [];
  const turns: (() => void)[] = [];
  const state: { failure: Error | undefined } = { failure: undefined };
  const store = createLateStore(createStore({ shards: 2 }), {
    defer: (run) => answers.push(run),
    failure: () => state.failure,
  });
  const sent: string[] = [];
  const ends: unknown[] = [];
  const session = createExchangeSession(
    {
      store,
      limits: resolveLimits({ sendMaxBytes, valueMaxBytes: 2_000 }),
      transport: { ...resolveTransportLimits(), frameMaxBytes },
      telemetry: createNoTelemetry(),
      access,
      defer: (run) => turns.push(run),
    },
    {
      send(frame) {
        sent.push(nameOf(frame));
        return true;
      },
      end: (error) => ends.push(error),
    },
  );
  let id = 0n;
  const runAll = (queue: (() => void)[]) => {
    while (queue.length > 0) queue.shift()?.();
  };
  return {
    store,
    state,
    session,
    ends,
    answers,
    send(...frames: Frame[]) {
      for (const frame of frames) {
        id += 1n;
        session.receive(create(ExchangeRequestSchema, { id, frame }));
      }
    },
    /** One answer of the store. */
    answer() {
      answers.shift()?.();
      runAll(turns);
    },
    settle() {
      while (answers.length + turns.length > 0) {
        runAll(answers);
        runAll(turns);
      }
    },
    newFrames: () => sent.splice(0),
  };
}

function nameOf({ id, frame, more }: ExchangeResponse): string {
  if (frame.case === "batch") {
    return `${id} ${frame.value.results.map(({ result }) => result.case).join(" ")}${more ? " ..." : ""}`;
  }
  if (frame.case === "events") return `events ${frame.value.events.length}`;
  return `${id} ${frame.case}`;
}

describe("an exchange on a store that answers later", () => {
  it("begins further batches while the first ones are out, and answers each when it has settled", () => {
    const h = harness();
    h.send(open, batchOf(set("a"), get("a")), batchOf(get("b")));
    expect(h.newFrames()).toEqual(["1 opened"]);
    expect(h.store.out).toBe(3);
    h.settle();
    expect(h.newFrames()).toEqual(["2 set get", "3 get"]);
  });

  it("takes no further frames while many batches are out", () => {
    const h = harness();
    h.send(open);
    let batches = 0;
    while (!h.session.paused() && batches < 1_000) {
      h.send(batchOf(get("a")));
      batches += 1;
    }
    expect(batches).toBeLessThan(100);
    expect(h.store.out).toBe(batches);
    h.settle();
    expect(h.session.paused()).toBe(false);
    expect(h.newFrames()).toHaveLength(batches + 1);
  });

  it("opens a subscription after a barrier, before the frames behind it", () => {
    const h = harness();
    h.send(open, subscribe, batchOf(set("a")));
    expect(h.store).toMatchObject({ barriers: 1, out: 1 });
    expect(h.newFrames()).toEqual(["1 opened"]);
    h.settle();
    expect(h.newFrames()).toEqual(["2 opened", "0 progress", "events 1", "3 set"]);
  });

  it("answers frames in their order, whichever the store has answered first", () => {
    const h = harness();
    h.send(open, ping, batchOf(get("a")), { case: "ping", value: {} }, batchOf(get("b")));
    h.answers.reverse();
    h.answer();
    h.answer();
    expect(h.newFrames()).toEqual(["1 opened"]);
    h.answer();
    expect(h.newFrames()).toEqual(["2 progress", "3 get", "4 error", "5 get"]);
  });

  it("sends the events before the answer to a ping that came later than they", () => {
    const h = harness();
    h.send(open, subscribe);
    h.settle();
    h.newFrames();
    h.send(batchOf(set("a")), ping);
    h.settle();
    expect(h.newFrames()).toEqual(["events 1", "3 set", "4 progress"]);
  });

  it("answers what cannot pass a barrier with the error", () => {
    const h = harness();
    h.send(open);
    h.state.failure = new CacheError("UNAVAILABLE", "the engine cannot be reached");
    h.send(subscribe, ping, batchOf(get("a")));
    h.settle();
    expect(h.newFrames()).toEqual(["1 opened", "2 error", "3 error", "4 error"]);
  });

  it("asks for the permission to subscribe behind the barrier too", () => {
    const policy = new PolicyInForce(policyFor("subscribe"), new AuditLog());
    const h = harness({ access: policy.accessOf("token:c") });
    h.send(open, subscribe);
    policy.replace(policyFor("read"));
    h.settle();
    expect(h.newFrames()).toEqual(["1 opened", "2 error"]);
    policy.replace(policyFor("subscribe"));
    h.send(subscribe);
    h.settle();
    expect(h.newFrames()).toEqual(["3 opened", "0 progress"]);
  });

  it("ends a wait for a lease that is not permitted any more", () => {
    const policy = new PolicyInForce(policyFor("read", "write"), new AuditLog());
    const h = harness({ access: policy.accessOf("token:c") });
    const lease = (waitMs: number): Operation => ({ case: "lease", value: { key: "k", waitMs } });
    h.send(open, batchOf(lease(0)), batchOf(lease(10_000)));
    h.settle();
    expect(h.newFrames()).toEqual(["1 opened", "2 lease"]);
    policy.replace(policyFor("read"));
    h.settle();
    expect(h.newFrames()).toEqual(["3 error"]);
  });

  it("sends an answer that is larger than a message in parts", () => {
    const h = harness({ frameMaxBytes: 2_000, sendMaxBytes: 4_000 });
    h.send(open, batchOf(set("a", 1_500)));
    h.settle();
    h.newFrames();
    h.send(batchOf(get("a"), get("a"), get("a"), get("missing")));
    h.settle();
    expect(h.newFrames()).toEqual(["3 get get ...", "3 get get"]);
  });

  it("ends after the last answer when the client sends nothing more", () => {
    const h = harness();
    h.send(open, ping, batchOf(get("a")));
    h.session.halfClosed();
    expect(h.ends).toEqual([]);
    h.settle();
    expect(h.newFrames()).toEqual(["1 opened", "2 progress", "3 get"]);
    expect(h.ends).toEqual([undefined]);
  });

  it("sends nothing after its end", () => {
    const h = harness();
    h.send(open, subscribe, batchOf(get("a")));
    h.session.close();
    h.newFrames();
    h.settle();
    expect(h.newFrames()).toEqual([]);
  });
});
