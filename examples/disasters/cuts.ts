/** What happens between the processes: nothing, a cut, a silence. */
import { setTimeout as pause } from "node:timers/promises";
import { api, msUntilSeen, tell, time, untilSeenByAll, world } from "./stage.ts";

export async function normalLife(): Promise<void> {
  await pause(1_000);
  const version = await world.write();
  const ms = await untilSeenByAll(version);
  tell(
    `Nothing happened yet. A row was written, and all three APIs had the new one ${time(ms)} later.`,
    world.look(),
  );
}

export async function writerCutOff(): Promise<void> {
  world.writerNetwork.cut();
  const version = await world.writeWithoutCache();
  await pause(2_000);
  world.writerNetwork.state = "open";
  const backAtMs = performance.now();
  await world.acknowledge(version);
  const acknowledgedMs = performance.now() - backAtMs;
  const ms = await untilSeenByAll(version);
  tell(
    "The writer was cut off from the cache for more than 2 s, and wrote a row. Its client kept the invalidation, and sent it " +
      `${time(acknowledgedMs)} after the network was back. The row was new everywhere ${time(ms)} later.`,
    world.look(),
  );
}

export async function writerClosed(): Promise<void> {
  world.writerNetwork.cut();
  const version = await world.writeWithoutCache();
  const left = await world.replaceWriter(version, () => {
    world.writerNetwork.state = "open";
  });
  if (left !== 1) throw new Error(`close() returned ${left} invalidations, and one was left`);
  const ms = await untilSeenByAll(version);
  tell(
    `The writer was ended while it was cut off. close() returned the invalidation that no server had acknowledged, and its ` +
      `successor sent it. The row was new everywhere ${time(ms)} later.`,
    world.look(),
  );
}

export async function halfOpenNetwork(): Promise<void> {
  const silent = api(1);
  silent.network.state = "silent";
  const version = await world.write();
  const ms = await msUntilSeen(silent, version);
  await pause(1_500);
  silent.network.state = "open";
  await pause(800);
  tell(
    `The network of an API process swallowed everything, without an error, for ${time(ms + 1_500)}. A row was written meanwhile, ` +
      `and the process had it after ${time(ms)}: it noticed the silence, and asked the database.`,
    world.look(),
  );
}
