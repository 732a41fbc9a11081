/** The server in the simulation: a real store and real exchange sessions in a process that can pause and crash. */
import { createSeededRng, type Rng } from "../../src/common/random.ts";
import { resolveLimits } from "../../src/rpc/limits.ts";
import { resolveTransportLimits } from "../../src/server/limits/transport-limits.ts";
import { createExchangeSession, type ExchangeSession } from "../../src/server/streams/exchange-session.ts";
import type { FrameSink } from "../../src/server/streams/frame-output.ts";
import { attachStore, createStore } from "../../src/store/engine/create-store.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import { createStoreViews } from "../support/store-views.ts";
import { Disk } from "./disk.ts";
import type { History } from "./history.ts";
import type { Network } from "./network.ts";
import type { Plan } from "./plan.ts";
import { createProcess, type SimulatedProcess } from "./process.ts";
import { firstSettings, type ServerSettings } from "./settings.ts";
import type { Tap, TappedStore } from "./tapped-store.ts";
import type { VirtualTime } from "./virtual-time.ts";

const MAINTENANCE_MS = 20;

export interface ServerNode {
  readonly process: SimulatedProcess;
  /**
   * Ends the process and everything in it. `silently`: as at a power loss, no peer is told. Otherwise the operating
   * system resets the connections.
   */
  stop(silently: boolean): void;
  /** Ends the process in order: it writes a snapshot, where its engine has any. */
  stopCleanly(): void;
  /**
   * Begins a new store with a new epoch: with the snapshot that is there, or with nothing. The settings are those of the life
   * before unless others are given.
   */
  start(settings?: ServerSettings): void;
  /** Of its last life. */
  readonly settings: ServerSettings;
  /** Where it writes and finds its snapshot. */
  readonly disk: Disk;
}

export function createServerNode(
  time: VirtualTime,
  rng: Rng,
  plan: Plan,
  network: Network,
  history: History,
  tap: Tap,
  place: "listener" | "second" = "listener",
): ServerNode {
  const limits = resolveLimits({ subscriptionMaxSelectors: plan.selectorsMax });
  const telemetry = createNoTelemetry({
    info() {},
    warn() {},
    error: (fields, message) => history.violate("server-fault", `${message}: ${causeOf(fields)}`),
  });
  const disk = new Disk(rng, history);
  let process: SimulatedProcess;
  let wallStartMs: number | undefined;
  let settings = firstSettings(plan);
  let write = (): void => {};

  function start(changed = settings): void {
    settings = changed;
    process = createProcess("server", time, rng, wallStartMs);
    const { clock } = process;
    const { engine } = plan;
    const { shardBudgetBytes, threads: workers, ...bounds } = settings;
    const storeSeed = Number(rng.uint64() & 0xffff_ffffn);
    const options = {
      ...bounds,
      engine,
      clock,
      rng: createSeededRng(storeSeed),
      budgetBytes: settings.shards * shardBudgetBytes,
    };
    const threads = engine === "offheap" ? workers : 1;
    const store = engine === "offheap" ? startOnDisk() : tap.around(createStore(options), time.nowMs);
    function startOnDisk(): TappedStore {
      const maxAgeMs = plan.snapshotMaxAgeMs;
      const { memory, saved } = disk.start({ store: options, threads, clock, maxAgeMs });
      const views =
        threads === 1 ? attachStore(memory, options) : createStoreViews(options, threads, storeSeed, memory);
      const tapped = tap.around(views, time.nowMs, saved);
      write = () => disk.write(memory, clock, tapped.save());
      return tapped;
    }
    const tick = (): void => {
      store.maintain(plan.sweepMaxEntries);
      clock.schedule(MAINTENANCE_MS, tick);
    };
    tick();
    const { frameMaxEvents, turnMs } = plan;
    const defer = (run: () => void) => void clock.schedule(turnMs, run);
    const transport = { ...resolveTransportLimits(), frameMaxEvents };
    const deps = { store, limits, transport, telemetry, defer };
    network[place] = {
      process,
      accept: (sink: FrameSink) => watchEnd(createExchangeSession(deps, sink), store),
    };
  }

  function end(): void {
    // A clock that somebody has set stays set.
    wallStartMs = process.clock.wallMs() - time.nowMs();
    process.kill();
  }

  start();
  return {
    disk,
    get settings() {
      return settings;
    },
    get process() {
      return process;
    },
    start,
    stopCleanly() {
      history.note("server", "is stopped");
      write();
      end();
      for (const connection of [...network.connections]) connection.reset();
    },
    stop(silently) {
      history.note("server", silently ? "loses its power" : "is killed");
      end();
      for (const connection of [...network.connections]) {
        if (silently) connection.silence();
        else connection.reset();
      }
    },
  };
}

/** Tells the tap when the stream of a session ends, before the session knows. */
function watchEnd(session: ExchangeSession, store: TappedStore): ExchangeSession {
  let holder: number | undefined;
  return {
    receive(frame) {
      session.receive(frame);
      if (frame.frame.case === "open") holder ??= store.lastHolder;
    },
    paused: () => session.paused(),
    drained: () => session.drained(),
    halfClosed: () => session.halfClosed(),
    describe: () => session.describe(),
    denial: () => session.denial(),
    drain: () => session.drain(),
    close() {
      if (holder !== undefined) store.streamEnded(holder);
      holder = undefined;
      session.close();
    },
  };
}

const causeOf = (fields: object): string => {
  const error = "err" in fields ? fields.err : fields;
  return error instanceof Error ? `${error.stack}` : String(error);
};
