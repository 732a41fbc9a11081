/** What leaves for the engine together, and what waits for an answer first. */
import { describe, expect, it } from "vitest";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import type { Argument, Reply } from "../../src/tier/engine/resp3.ts";
import { shardKeys } from "../../src/tier/library/keys.ts";
import { CALL_MAX_OPERATIONS } from "../../src/tier/library/operations.ts";
import { Mirror } from "../../src/tier/mirror.ts";
import type { NodeLink } from "../../src/tier/node-link.ts";
import type { ShardOperation } from "../../src/tier/operation.ts";
import { ShardOperations } from "../../src/tier/shard-operations.ts";

interface Sent {
  readonly args: readonly Argument[];
  answer(reply: Reply | Error): void;
}

/** A node that answers when the test says so. */
class ScriptedNode {
  readonly sent: Sent[] = [];
  isOpen = true;
  readonly link = {
    connection: {
      send: (args: readonly Argument[], answer: Sent["answer"]) => void this.sent.push({ args, answer }),
    },
    node: { id: "a", endpoint: { host: "127.0.0.1", port: 1 } },
    timeAfter: () => {},
  } as unknown as NodeLink;

  /** The operations of each command since the last look. */
  commands(): string[] {
    return this.sent
      .splice(0)
      .map(({ args }) => args.filter((arg) => /^(mc_|MGET|set|get)/.test(String(arg))).join(" "));
  }
}

const operation = (name: string, isRead: boolean): ShardOperation => ({
  bytes: Buffer.from(name),
  keys: [],
  entry: isRead ? { allowStale: false } : undefined,
  mustAsk: false,
  isRead,
  traceparent: "",
  dueMs: 1_000,
  settle: () => {},
  isCancelled: false,
});
const set = (name: string) => operation(`set ${name}`, false);
const get = (name: string) => ({ ...operation(`get ${name}`, true), keys: [`get ${name}`] });

function createOperations() {
  let node = new ScriptedNode();
  const operations = new ShardOperations(
    0,
    { ...shardKeys(0), entries: "" },
    {
      telemetry: createNoTelemetry(),
      counts: { answered: 0, refused: 0, lost: 0 },
      mirror: new Mirror(1, { maxEvents: 64, maxBytes: 4_096 }, () => {}),
      callHeader: () => Buffer.alloc(0),
      acknowledge: () => {},
    },
    {
      readyLink: () => (node.isOpen ? node.link : undefined),
      expect: () => {},
      resync: () => {},
      left: () => {},
    },
  );
  return {
    operations,
    first: node,
    moveToOther: () => {
      node = new ScriptedNode();
      return node;
    },
    run: (...added: readonly ShardOperation[]) => {
      for (const one of added) operations.add(one);
      operations.flush();
    },
  };
}

describe("operations of a shard", () => {
  it("leave as one call when they come while a change is without an answer", () => {
    const { first: node, run } = createOperations();
    run(set("a"));
    run(set("b"));
    run();
    run(set("c"), set("d"));
    const [change] = node.sent;
    expect(node.commands()).toEqual(["mc_run set a"]);
    change?.answer(new Error("lost"));
    expect(node.commands()).toEqual(["mc_run set b set c set d"]);
  });

  it("let a read leave at once, behind what was held before it", () => {
    const { first: node, run } = createOperations();
    run(set("a"));
    run(set("b"));
    run(get("c"));
    expect(node.commands()).toEqual(["mc_run set a", "mc_run set b", "MGET get c"]);
  });

  it("leave when a call is full", () => {
    const { first: node, run } = createOperations();
    run(set("a"));
    for (let number = 0; number < 2 * CALL_MAX_OPERATIONS; number++) run(set(String(number)));
    const sizes = node.commands().map((command) => command.split("set ").length - 1);
    expect(sizes[0]).toBe(1);
    expect(sizes.length).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBe(CALL_MAX_OPERATIONS);
  });

  it("wait for no answer of a node that has the shard no more", () => {
    const { first, moveToOther, run } = createOperations();
    run(set("a"));
    run(set("b"));
    const other = moveToOther();
    run(set("c"));
    expect(first.commands()).toEqual(["mc_run set a"]);
    expect(other.commands()).toEqual(["mc_run set b set c"]);
  });

  it("outlive the end of the connection on which they would have left next", () => {
    const { first, moveToOther, run } = createOperations();
    run(set("a"));
    run(set("b"));
    const [change] = first.sent;
    first.commands();
    first.isOpen = false;
    change?.answer(new Error("the engine closed the connection"));
    expect(first.commands()).toEqual([]);
    const other = moveToOther();
    run();
    expect(other.commands()).toEqual(["mc_run set b"]);
  });

  it("fail when they are due, also those that wait for an answer", () => {
    const { operations, run } = createOperations();
    const failed: unknown[] = [];
    run(set("a"));
    run({ ...set("b"), settle: (result) => failed.push(result) });
    operations.expire(999);
    expect(failed).toEqual([]);
    operations.expire(1_000);
    expect(failed).toHaveLength(1);
    expect(operations.queued).toBe(0);
  });
});
