/**
 * Scenario 37 in the simulation: a second server is behind the same addresses for a while. The judge knows from the frames which
 * stores a client has met. Once it has met one again after another, it must serve nothing from its near cache as long as both
 * servers live, and use its near cache again when one remains.
 */

import type { ExchangeResponse } from "../../gen/meshcache/v1/cache_pb.ts";
import type { ClientLife, ClientNode } from "./client-node.ts";
import { createClientNode } from "./client-node.ts";
import { describeFrame } from "./frames.ts";
import { createHistory, type History } from "./history.ts";
import { type Connection, createNetwork } from "./network.ts";
import { between, chance, type Plan, pick, rngFor } from "./plan.ts";
import type { SimulatedProcess } from "./process.ts";
import { createServerNode } from "./server-node.ts";
import { createTap } from "./tapped-store.ts";
import { createTruth } from "./truth.ts";
import { createVirtualTime, type VirtualTime } from "./virtual-time.ts";

const KEYS = ["user:1", "user:2", "user:22", "note:1", "note:2"];
/** Longer than it takes until so many answers name one store, each after at most `backoffMaxMs`. */
const SETTLE_MS = 6_000;
const STEPS = 60;

export interface TwoStoresReport {
  readonly history: History;
  readonly nearReads: number;
  readonly remoteReads: number;
  readonly tasks: number;
}

/** The stores that a client has met. */
class Meetings {
  readonly #epochs = new WeakMap<Connection, bigint>();
  /** By address. */
  readonly #met = new Map<string, bigint[]>();
  /** It has met one again after another, at one address. */
  hasSeenTwo = false;

  /** What shows only which store answers is no meeting: there, no other frame follows `Opened`. */
  received({ frame }: ExchangeResponse, connection: Connection): void {
    if (frame.case === "opened") this.#epochs.set(connection, frame.value.epoch);
    else if (frame.case === "progress" || frame.case === "gap") {
      const epoch = this.#epochs.get(connection);
      const met = this.#met.get(connection.address) ?? [];
      if (epoch === undefined || epoch === met.at(-1)) return;
      this.hasSeenTwo ||= met.includes(epoch);
      this.#met.set(connection.address, [...met, epoch]);
    }
  }
}

export async function runTwoStores(plan: Plan): Promise<TwoStoresReport> {
  const { seed } = plan;
  const rng = rngFor(seed, 20);
  const time = createVirtualTime();
  const history = createHistory(time.nowMs);
  const meetings = new Map<SimulatedProcess, Meetings>();
  const network = createNetwork(time, rngFor(seed, 3), plan, (client, frame, connection) => {
    history.note(client.name, `receives ${describeFrame(frame)}`);
    meetings.get(client)?.received(frame, connection);
  });
  const serve = (purpose: number, place: "listener" | "second") =>
    createServerNode(
      time,
      rngFor(seed, purpose),
      plan,
      network,
      history,
      createTap(history, createTruth(KEYS)),
      place,
    );
  serve(21, "listener");
  const reads = { near: 0, remote: 0 };
  const clients = Array.from({ length: plan.clients }, (_, index) =>
    createClientNode(`c${index + 1}`, time, rng, plan, network, (life) => {
      meetings.set(life.process, new Meetings());
    }),
  );
  const read = async ({ life }: ClientNode, key: string): Promise<string> => {
    // A near hit is decided before anything is awaited.
    const isBarred = network.second !== undefined && meetings.get(life.process)?.hasSeenTwo === true;
    const entry = await life.entries.entry(key);
    if (entry.source === "near") reads.near += 1;
    else reads.remote += 1;
    history.note(life.name, `read ${key} (${entry.source})`);
    if (isBarred && entry.source === "near") {
      history.violate(
        "two-stores",
        `${life.name} read ${key} from its near cache though it has met two stores`,
      );
    }
    return entry.source;
  };
  const act = async (client: ClientNode): Promise<void> => {
    const key = pick(rng, KEYS);
    if (chance(rng, 0.8)) await read(client, key);
    else await client.life.entries.set(key, `${key}@${time.nowMs()}`);
  };
  const work = async (): Promise<void> => {
    for (let step = 0; step < STEPS; step += 1) {
      const client = pick(rng, clients);
      act(client).catch(() => undefined);
      if (chance(rng, 0.15)) resetOf(client, network.connections);
      await time.run(time.nowMs() + between(rng, 1, 60));
    }
  };

  await work();
  const second = serve(22, "second");
  history.note("fault", "a second server is behind the addresses");
  await work();
  second.stop(chance(rng, 0.5));
  network.second = undefined;
  history.note("fault", "one server remains");
  await time.run(time.nowMs() + SETTLE_MS);
  for (const client of clients) await examine(time, history, client.life, read.bind(undefined, client));
  for (const { life } of clients) void life.cache.close({ graceMs: 0 });
  await time.run(time.nowMs() + 100);
  return { history, nearReads: reads.near, remoteReads: reads.remote, tasks: time.tasksRun };
}

function resetOf(client: ClientNode, connections: ReadonlySet<Connection>): void {
  for (const connection of [...connections]) if (connection.client === client.process) connection.reset();
}

/** What is read twice comes from the near cache at the second time. */
async function examine(
  time: VirtualTime,
  history: History,
  life: ClientLife,
  read: (key: string) => Promise<string>,
): Promise<void> {
  const [key = ""] = KEYS;
  for (const expected of [undefined, "near"]) {
    let source = "nothing";
    read(key).then(
      (from) => {
        source = from;
      },
      () => undefined,
    );
    await time.run(time.nowMs() + 1_000);
    if (source === (expected ?? source) && source !== "nothing") continue;
    history.violate("converge", `${life.name} reads ${key} from ${source} though one store remains`);
  }
}
