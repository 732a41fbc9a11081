/** What a majority of the primaries says of the others, and how often a server asks: less often with each other server of the tier. */
import { describe, expect, it } from "vitest";
import type { TakeReply } from "../../src/tier/engine/connection.ts";
import { shardKeys } from "../../src/tier/library/keys.ts";
import { Quorum, serversOf, type Voter } from "../../src/tier/quorum.ts";
import { describeEngines } from "../support/engine/describe-engines.ts";
import { loudBoundary } from "../support/loud-boundary.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { tierStoreOver } from "../support/tier-server.ts";

const INFO = infoOf(7);
const OWNERS = [{ nodeId: "a", key: "{a}:m" }];

function infoOf(epoch: number, state = "ok"): Buffer {
  return Buffer.from(`cluster_state:${state}\r\ncluster_current_epoch:${epoch}\r\n`);
}

/** Of a primary that names the owner of every key. */
function voterWith(owner: string | undefined, info: Buffer | Error = INFO): Voter {
  return {
    send: ([name], take) => take(name === "GET" ? null : info),
    ownerIn: () => owner,
  };
}

/** What is agreed of the nodes "a" and "b". */
function agreedBy(...voters: (Voter | undefined)[]): readonly (readonly [string, number])[] {
  const quorum = new Quorum(() => voters, new ManualClock(), loudBoundary);
  let agreed: ReadonlyMap<string, number> | undefined;
  quorum.ask([...OWNERS, { nodeId: "b", key: "{b}:m" }], (epochs) => {
    agreed = epochs;
  });
  if (agreed === undefined) throw new Error("it was not decided");
  return [...agreed];
}

describe("a node is the primary of its shards in an epoch", () => {
  it("which most primaries have seen that name it", () => {
    expect(agreedBy(voterWith("a"), voterWith("a"), voterWith(undefined))).toEqual([["a", 7]]);
    expect(agreedBy(voterWith("a"), undefined, voterWith("a"))).toEqual([["a", 7]]);
    expect(agreedBy(voterWith("b"), voterWith("b"), voterWith("b"))).toEqual([["b", 7]]);
  });

  it("not where most have voted for another one, of which they do not know yet whether it won", () => {
    const [old, next] = [infoOf(6), infoOf(7)];
    expect(agreedBy(voterWith("a", old), voterWith("a", next), voterWith("b", next))).toEqual([]);
  });

  it("not where most name another one", () => {
    expect(agreedBy(voterWith("a"), voterWith("b"), voterWith("c"))).toEqual([]);
    expect(agreedBy(voterWith("a"), voterWith(undefined), voterWith(undefined))).toEqual([]);
  });

  it("not where most say nothing, or have no majority themselves", () => {
    expect(agreedBy(voterWith("a"), undefined, undefined)).toEqual([]);
    expect(agreedBy()).toEqual([]);
    const failed = voterWith("a", infoOf(7, "fail"));
    expect(agreedBy(voterWith("a"), failed, failed)).toEqual([]);
    const gone = voterWith("a", new Error("the connection has ended"));
    expect(agreedBy(voterWith("a"), gone, gone)).toEqual([]);
  });
});

/** A writer that asks again at each answer. Returns when its rounds began, in ms from its first one. */
function roundsOf(servers: number, forMs: number, primaries = 1): number[] {
  const clock = new ManualClock();
  const beganMs: number[] = [];
  const beginMs = clock.nowMs();
  const voter: Voter = {
    ...voterWith("a"),
    send([name], take) {
      if (name === "GET") beganMs.push(clock.nowMs() - beginMs);
      take(INFO);
    },
  };
  const quorum = new Quorum(
    () => [voter, ...Array<undefined>(primaries - 1).fill(undefined)],
    clock,
    loudBoundary,
  );
  quorum.servers = servers;
  const ask = () =>
    quorum.ask(OWNERS, (epochs) => {
      if (primaries > 1 || epochs.get("a") === 7) ask();
    });
  ask();
  for (let ms = 0; ms < forMs; ms++) clock.advance(1);
  quorum.close();
  return beganMs;
}

describe("the rounds of a server that writes all the time", () => {
  it.each([
    [1, 1],
    [10, 1],
    [11, 2],
    [50, 5],
    [100, 10],
    [500, 50],
    [100_000, 50],
  ])("of %i are at least %i ms apart", (servers, pauseMs) => {
    expect(roundsOf(servers, 200).slice(0, 4)).toEqual([0, 1, 2, 3].map((round) => round * pauseMs));
  });

  it("are rarer with more than ten primaries, each of which may be asked about", () => {
    expect(roundsOf(10, 200, 30).slice(0, 3)).toEqual([0, 3, 6]);
  });

  it("begin after everything that they answer was asked", () => {
    const clock = new ManualClock();
    let answer: TakeReply = () => {};
    const voter: Voter = {
      ...voterWith("a"),
      send(_command, take) {
        answer = take;
      },
    };
    const quorum = new Quorum(() => [voter], clock, loudBoundary);
    quorum.servers = 50;
    const told: string[] = [];
    quorum.ask(OWNERS, () => told.push("first"));
    quorum.ask(OWNERS, () => told.push("during the round"));
    answer(INFO);
    clock.advance(4);
    quorum.ask(OWNERS, () => told.push("during the pause"));
    expect(told).toEqual(["first"]);
    clock.advance(1);
    answer(INFO);
    expect(told).toEqual(["first", "during the round", "during the pause"]);
  });
});

describeEngines("the number of servers of a tier", (engine) => {
  it("is what follows a shard, which each asks for", async () => {
    const stores = [1, 2, 3].map(() => tierStoreOver(engine.cluster.addresses));
    for (const store of stores) await store.start();
    const { connection } = engine;
    const reply = await connection.call("PUBSUB", "SHARDNUMSUB", shardKeys(0).stream);
    expect(serversOf(reply)).toBe(3);
    const asked = /cmdstat_pubsub\|shardnumsub:calls=(\d+)/.exec(
      await connection.text("INFO", "commandstats"),
    );
    expect(Number(asked?.[1])).toBeGreaterThanOrEqual(3);
    for (const store of stores) store.close();
  });

  it("is not known from an error", () => {
    expect(serversOf(new Error("NOPERM"))).toBeUndefined();
    expect(serversOf([])).toBeUndefined();
  });
});
