/** What happens to an API process: killed, stopped, its clock set. */
import { setTimeout as pause } from "node:timers/promises";
import { LEASE_MS } from "./promise.ts";
import { api, msUntilSeen, tell, time, until, world } from "./stage.ts";

export async function apiKilled(): Promise<void> {
  await world.replaceApi(api(0));
  await pause(500);
  tell(
    "An API process was killed. What it was answering failed. Another one took its place, and took the rows from the cache, not " +
      "from the database.",
    world.look(),
  );
}

export async function apiStopped(): Promise<void> {
  const stopped = api(1);
  stopped.service.signal("SIGSTOP");
  await pause(LEASE_MS + 1_000);
  const version = await world.write();
  stopped.service.signal("SIGCONT");
  const ms = await msUntilSeen(stopped, version);
  tell(
    `An API process stood still for ${time(LEASE_MS + 1_000)} (SIGSTOP), and a row was written meanwhile. ${time(ms)} after it ` +
      "went on, it answered with the new row: it knew that its copies were too old to trust.",
    world.look(),
  );
}

export async function loaderKilled(): Promise<void> {
  const key = "slow-row";
  const holder = api(2);
  holder.service.ask({ kind: "read", key, slowly: true }).catch(() => undefined);
  await pause(200);
  const waiting = world.read(api(0), key);
  await pause(200);
  const killedAtMs = performance.now();
  const replaced = world.replaceApi(holder);
  await waiting;
  const ms = performance.now() - killedAtMs;
  await replaced;
  tell(
    `An API process was killed while it loaded a row for the whole mesh. What it was answering failed. Another process, which ` +
      `waited for this row, loaded it instead, and had it ${time(ms)} later.`,
    world.look(),
  );
}

export async function clockSet(): Promise<void> {
  const jumped = api(1);
  await jumped.service.ask({ kind: "setClock" });
  await until("the event clocksDiverged", () => jumped.service.wasTold("clocksDiverged"));
  const version = await world.write();
  const ms = await msUntilSeen(jumped, version);
  tell(
    `The clock of an API process was set forth by an hour. It noticed, and trusted no copy from before: a row that was written ` +
      `then was new there after ${time(ms)}.`,
    world.look(),
  );
}
