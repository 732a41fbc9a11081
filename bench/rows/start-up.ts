/** Row 14: the start of an empty server, and the sizes of its program and its image, beside redis-server. */
import { statSync } from "node:fs";
import { type Comparison, emptyRow, type Row, type Target } from "../comparison.ts";
import type { RemoteLoad } from "../load/remote-load.ts";
import {
  type BundledCommand,
  commandOfFile,
  makeBundle,
  singleFile,
  startBundledServer,
} from "../ours/bundled-server.ts";
import { interleave, loneRow, ratioRow } from "../pairs.ts";
import { redisProgram, startRedisServer } from "../peers/redis-server.ts";
import type { Child } from "../process/child.ts";
import { builtImageBytes, imageBytesWith } from "../process/image-size.ts";
import { LOOPBACK } from "../process/loopback.ts";
import type { RemoteClientName } from "../remote-cache.ts";
import type { Session } from "../session.ts";
import { targets } from "../targets.ts";

const loadFile = new URL("../load/remote-load.ts", import.meta.url);
const BUDGET_BYTES = 64 * 2 ** 20;
const common = { id: "14", peerName: "redis-server", better: "lower" } as const;

export const startUp: Comparison = {
  name: "start-up",
  ids: ["14"],
  title: "the start of an empty server and the sizes of its program and its image, beside redis-server",
  needs: ["redis-server", "ioredis"],
  steps: (plan) => 4 * plan.pairs,
  async run(session) {
    await using load = session.start<RemoteLoad>("other", loadFile);
    using bundle = await makeBundle();
    const rows = await startRows(session, load, bundle, {
      name: "start of an empty server",
      note: "two workers, from the bundle; from the second start on, with V8's compile cache",
      target: targets.servingMs,
    });
    return [...rows, ...(await singleFileRows(session, load)), programRow(), imageRow()];
  },
};

interface About {
  readonly name: string;
  readonly note: string;
  /** Of the time until it serves. */
  readonly target?: Target;
}

async function startRows(
  session: Session,
  load: Child<RemoteLoad>,
  command: BundledCommand,
  { name, note, target }: About,
): Promise<Row[]> {
  const untilAnswer = async <Server extends AsyncDisposable & { readonly port: number }>(
    client: RemoteClientName,
    start: () => Promise<Server>,
    started?: (server: Server) => void,
  ): Promise<number> => {
    const beganMs = performance.now();
    await using server = await start();
    await load.call("connectIdle", client, `${LOOPBACK}:${server.port}`, 1);
    started?.(server);
    return performance.now() - beganMs;
  };
  const servingMs: number[] = [];
  const pairs = await interleave(session, "starting", {
    ours: () =>
      untilAnswer(
        "meshcache",
        () => startBundledServer(command, { budgetBytes: BUDGET_BYTES }),
        (server) => servingMs.push(server.servingMs),
      ),
    peer: () => untilAnswer("ioredis", () => startRedisServer()),
  });
  const serving = { id: "14", name: `${name} until it serves`, unit: "ms", judged: "ms", note };
  return [
    loneRow({ ...serving, better: "lower", ...(target && { target }) }, servingMs),
    ratioRow({ ...common, name: `${name} to the first answer`, note, unit: "ms" }, pairs),
  ];
}

const NO_FILE = "npm run build:binary makes it";

async function singleFileRows(session: Session, load: Child<RemoteLoad>): Promise<Row[]> {
  const name = "start of the single file";
  const file = singleFile();
  if (file === undefined) return [emptyRow("14", name, "skipped", NO_FILE)];
  using command = commandOfFile(file);
  return startRows(session, load, command, { name, note: "two workers; an empty server" });
}

function programRow(): Row {
  const name = "size of the program";
  const file = singleFile();
  if (file === undefined) return emptyRow("14", name, "skipped", NO_FILE);
  const note = "the single file with Node in it; redis-server needs libraries of the system";
  return sizeRow({ name, note }, statSync(file).size, statSync(redisProgram()).size);
}

function imageRow(): Row {
  const name = "size of the image, compressed";
  const ours = builtImageBytes("meshcache");
  if (ours === undefined) return emptyRow("14", name, "skipped", "bash .ci/image makes it, with buildah");
  const note = "on the same base, which has glibc; redis-server with the libraries that it needs";
  return sizeRow({ name, note }, ours, imageBytesWith(redisProgram()));
}

function sizeRow(about: { readonly name: string; readonly note: string }, ours: number, peer: number): Row {
  return ratioRow({ ...common, ...about, unit: "MB" }, [{ ours: ours / 1e6, peer: peer / 1e6 }]);
}
