/** What happens to the cache server: killed, doubled, replaced. */
import { setTimeout as pause } from "node:timers/promises";
import { api, tell, time, until, world } from "./stage.ts";
import type { Api } from "./world.ts";

const readPage = (reader: Api) => world.read(reader, "page").catch(() => undefined);

export async function serverKilled(): Promise<void> {
  const reader = api(0);
  await readPage(reader);
  await world.endServer("SIGKILL");
  await until("a marked copy", async () => (await readPage(reader))?.outage === true);
  world.look();
  let marked = 0;
  for (let at = 0; at < 50; at += 1) {
    if ((await readPage(reader))?.outage) marked += 1;
    await pause(20);
  }
  tell("The cache server was killed. The APIs read rows from the database.", world.look());
  tell(
    `A page may be old rather than slow: its namespace says so with outageTtlMs. ${marked} of 50 reads of one were answered with ` +
      "its copy, marked as old.",
  );
  await world.startServer();
  await until("a page that is not marked", async () => (await readPage(reader))?.outage === false);
  await pause(1_000);
  tell(
    "The cache server was started again, and is empty. Its clients came back by themselves.",
    world.look(),
  );
}

export async function twoStores(): Promise<void> {
  const misled = api(2);
  const endSecond = await world.startSecondServer(misled);
  // Each new connection leads to the other server.
  const noticedMs = await until("the event twoStores", async () => {
    misled.network.resetAll();
    await pause(300);
    return misled.service.wasTold("twoStores");
  });
  for (let at = 0; at < 20; at += 1) {
    const read = await world.read(misled, "row-1").catch(() => undefined);
    if (read?.source === "near") throw new Error("a copy was served while two stores answer");
  }
  tell(
    `Two cache servers, each with its own rows, answered at the address of an API process. It found out within ` +
      `${time(noticedMs)}, warned, and served no copies of its own.`,
    world.look(),
  );
  await endSecond();
  misled.network.resetAll();
  const proofMs = await until("the event oneStore", () => misled.service.wasTold("oneStore"));
  await until("a copy", async () => (await world.read(misled, "row-1")).source === "near");
  tell(
    `One of the two was taken away. The API process took ${time(proofMs)} to be sure of that, and serves copies again.`,
    world.look(),
  );
}

export async function serverReplaced(): Promise<void> {
  await world.endServer("SIGTERM");
  await world.startServer();
  await pause(1_000);
  tell(
    "The cache server was replaced by a new one, in order (SIGTERM): it told its clients, which left it before it ended.",
    world.look(),
  );
}
