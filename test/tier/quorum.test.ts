/** How often a server asks the primaries for the epoch: less often with each other server of the tier. */
import { describe, expect, it } from "vitest";
import type { TakeReply } from "../../src/tier/engine/connection.ts";
import { shardKeys } from "../../src/tier/library/keys.ts";
import { Quorum, serversOf } from "../../src/tier/quorum.ts";
import { describeEngines } from "../support/engine/describe-engines.ts";
import { loudBoundary } from "../support/loud-boundary.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { tierStoreOver } from "../support/tier-server.ts";

const INFO = Buffer.from("cluster_state:ok\r\ncluster_current_epoch:7\r\n");

/** A writer that asks again at each answer. Returns when its rounds began, in ms from its first one. */
function roundsOf(servers: number, forMs: number): number[] {
  const clock = new ManualClock();
  const beganMs: number[] = [];
  const beginMs = clock.nowMs();
  const voter = {
    send(_command: unknown, take: TakeReply) {
      beganMs.push(clock.nowMs() - beginMs);
      take(INFO);
    },
  };
  const quorum = new Quorum(() => [voter], clock, loudBoundary);
  quorum.servers = servers;
  const ask = () =>
    quorum.ask((epoch) => {
      if (epoch === 7) ask();
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

  it("begin after everything that they answer was asked", () => {
    const clock = new ManualClock();
    let answer: TakeReply = () => {};
    const voter = {
      send(_command: unknown, take: TakeReply) {
        answer = take;
      },
    };
    const quorum = new Quorum(() => [voter], clock, loudBoundary);
    quorum.servers = 50;
    const told: string[] = [];
    quorum.ask(() => told.push("first"));
    quorum.ask(() => told.push("during the round"));
    answer(INFO);
    clock.advance(4);
    quorum.ask(() => told.push("during the pause"));
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
