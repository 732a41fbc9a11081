/** One side of a remote row: a cache server and, in a process of its own, the client that loads it. */

import type { RemoteLoad } from "../load/remote-load.ts";
import { startMeshcacheServer } from "../ours/server.ts";
import { startRedisServer } from "../peers/redis-server.ts";
import type { Child } from "../process/child.ts";
import { loopback } from "../process/loopback.ts";
import type { Observer } from "../process/observer.ts";
import type { RemoteClientName } from "../remote-cache.ts";
import type { Session } from "../session.ts";

export interface RemoteSide extends AsyncDisposable {
  readonly serverPid: number;
  readonly address: string;
  readonly load: Child<RemoteLoad>;
  /** Of the server; none where it has no garbage collector. */
  readonly observer: Child<Observer> | undefined;
}

const loadFile = new URL("../load/remote-load.ts", import.meta.url);

/**
 * The same for every side. V8 takes a load that waits for the other side's window for idle, and shrinks its heap before
 * the next; and the helpers of its young collections wait for a core that the server has.
 */
const loadNodeArgs = ["--expose-gc", "--no-memory-reducer", "--no-parallel-scavenge"];

/** `budgetBytes` bounds our store; redis-server is given no bound. */
export async function openRemoteSide(
  session: Session,
  client: RemoteClientName,
  budgetBytes: number,
): Promise<RemoteSide> {
  await using undo = new AsyncDisposableStack();
  const ours =
    client === "meshcache" ? undo.use(await startMeshcacheServer(session, { budgetBytes })) : undefined;
  const server = ours ?? undo.use(await startRedisServer());
  const address = `${loopback}:${server.port}`;
  const load = undo.use(
    session.start<RemoteLoad>(client === "meshcache" ? "client" : "other", loadFile, {
      nodeArgs: loadNodeArgs,
    }),
  );
  await load.call("connect", client, address);
  const kept = undo.move();
  return {
    serverPid: server.pid,
    address,
    load,
    observer: ours?.observer,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Fills both sides with the same entries, one after the other. */
export async function fillSides(
  session: Session,
  sides: readonly RemoteSide[],
  entries: number,
  valueBytes: number,
): Promise<void> {
  for (const side of sides) {
    session.step(`filling ${entries.toLocaleString("en")} entries`);
    await side.load.call("fill", entries, valueBytes, session.plan.seed);
  }
}
