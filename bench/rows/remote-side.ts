/** One side of a remote row: a cache server, and the client that loads it in a process of its own. */

import type { RemoteLoad } from "../load/remote-load.ts";
import { startMeshcacheServer } from "../ours/server.ts";
import { startRedisServer } from "../peers/redis-server.ts";
import type { Child } from "../process/child.ts";
import { LOOPBACK } from "../process/loopback.ts";
import type { Observer } from "../process/observer.ts";
import type { PolicyFiles } from "../process/policy-files.ts";
import type { ServerFiles } from "../process/tls-files.ts";
import type { ClientSecurity, RemoteClientName } from "../remote-cache.ts";
import type { Session } from "../session.ts";

export interface RemoteSide extends AsyncDisposable {
  readonly serverPid: number;
  readonly address: string;
  readonly load: Child<RemoteLoad>;
  /** The observer of the server. Undefined for a server without a garbage collector. */
  readonly observer: Child<Observer> | undefined;
}

const loadFile = new URL("../load/remote-load.ts", import.meta.url);

/**
 * The same for every side. While a load waits for the window of the other side, V8 considers it idle and
 * shrinks its heap. The parallel threads of young collections would wait for a core that the server uses.
 */
const loadNodeArgs = ["--expose-gc", "--no-memory-reducer", "--no-parallel-scavenge"];

/** How a server differs from a plain one, that asks its clients for nothing. */
export interface SideOptions {
  /** Both sides speak TLS. */
  readonly tls?: ServerFiles | undefined;
  /** Calls have a token, and are permitted and metered by a policy. Of meshcache alone. */
  readonly policy?: PolicyFiles | undefined;
  /** Of meshcache alone. Default: the command of this checkout. */
  readonly program?: URL | undefined;
  /** The process of the client. Of meshcache alone. Default: that of this checkout. */
  readonly load?: URL | undefined;
}

/** `budgetBytes` bounds the store of meshcache. The servers of the others have no bound. */
export async function openRemoteSide(
  session: Session,
  client: RemoteClientName,
  budgetBytes: number,
  { tls, policy, program: ownProgram, load: ownLoad }: SideOptions = {},
): Promise<RemoteSide> {
  await using undo = new AsyncDisposableStack();
  const ours =
    client === "meshcache"
      ? undo.use(await startMeshcacheServer(session, { budgetBytes, tls, policy, program: ownProgram }))
      : undefined;
  const program = client === "valkey-glide" ? "valkey-server" : "redis-server";
  const server = ours ?? undo.use(await startRedisServer(tls, program));
  const address = `${LOOPBACK}:${server.port}`;
  const load = undo.use(
    await startLoad(session, client, address, { ca: tls?.ca, token: policy?.token }, ownLoad),
  );
  const kept = undo.move();
  return {
    serverPid: server.pid,
    address,
    load,
    observer: ours?.observer,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** A process with a client that is connected to the address. */
export async function startLoad(
  session: Session,
  client: RemoteClientName,
  address: string,
  security?: ClientSecurity,
  file = loadFile,
): Promise<Child<RemoteLoad>> {
  await using undo = new AsyncDisposableStack();
  const load = undo.use(
    session.start<RemoteLoad>(client === "meshcache" ? "client" : "other", file, {
      nodeArgs: loadNodeArgs,
    }),
  );
  await load.call("connect", client, address, security);
  undo.move();
  return load;
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
