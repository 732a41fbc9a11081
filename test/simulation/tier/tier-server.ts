/** A server of the tier in the simulation: the real store over the modelled engine, and real exchange sessions. */
import { createBoundary } from "../../../src/common/boundary.ts";
import { createSeededRng, type Rng } from "../../../src/common/random.ts";
import { resolveLimits } from "../../../src/rpc/limits.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { createExchangeSession } from "../../../src/server/streams/exchange-session.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { TierStore } from "../../../src/tier/tier-store.ts";
import type { History } from "../history.ts";
import type { Network } from "../network.ts";
import type { Plan } from "../plan.ts";
import { createProcess, type SimulatedProcess } from "../process.ts";
import type { VirtualTime } from "../virtual-time.ts";
import { watchAnswers } from "./answers.ts";
import type { EngineModel } from "./engine-cluster.ts";
import type { TierJudge } from "./tier-judge.ts";

const MAINTENANCE_MS = 20;
const LOG_MAX_BYTES = 1 << 18;

export interface TierServerDeps {
  readonly time: VirtualTime;
  readonly rng: Rng;
  readonly plan: Plan;
  readonly network: Network;
  readonly engine: EngineModel;
  readonly history: History;
  readonly judge: TierJudge;
  readonly shards: number;
  readonly operationMaxMs: number;
}

export class TierServer {
  readonly name: string;
  readonly address: string;
  readonly #deps: TierServerDeps;
  #process: SimulatedProcess;
  #store: TierStore;

  constructor(name: string, address: string, deps: TierServerDeps) {
    this.name = name;
    this.address = address;
    this.#deps = deps;
    [this.#process, this.#store] = this.#begin();
  }

  get process(): SimulatedProcess {
    return this.#process;
  }

  get store(): TierStore {
    return this.#store;
  }

  /** What keeps it from serving. */
  problem(): string | undefined {
    return this.#store.problem();
  }

  start(): void {
    this.#deps.history.note(this.name, "starts again");
    [this.#process, this.#store] = this.#begin();
  }

  kill(): void {
    const { history, network, engine } = this.#deps;
    history.note(this.name, "is killed");
    network.servers.delete(this.address);
    this.#process.kill();
    engine.wires.serverEnded(this.#process);
    for (const connection of [...network.connections]) {
      if (connection.server === this.#process) connection.reset();
    }
  }

  #begin(): [SimulatedProcess, TierStore] {
    const { time, rng, plan, network, engine, history, judge, shards, operationMaxMs } = this.#deps;
    const { name, address } = this;
    const process = createProcess(name, time, rng);
    const { clock } = process;
    const violate = (what: string) => (error: unknown) =>
      history.violate("server-fault", `${what}: ${causeOf(error)}`);
    const logger = {
      info: (_: object, message: string) => void history.note(name, message),
      warn: (fields: object, message: string) => void history.note(name, `${message}: ${messageOf(fields)}`),
      error: (fields: object, message: string) => violate(message)(fields),
    };
    const store = new TierStore({
      seeds: engine.nodes.map((node) => ({ host: node.name, port: node.port })),
      security: { tls: undefined, user: undefined, password: undefined },
      connect: engine.wires.connector(name, process),
      shards,
      clock,
      rng: createSeededRng(Number(rng.uint64() & 0xffff_ffffn)),
      telemetry: createNoTelemetry(logger),
      boundary: createBoundary(violate("a callback failed")),
      defer: (run) => void clock.schedule(0, run),
      logMaxEvents: plan.logMaxEvents,
      logMaxBytes: LOG_MAX_BYTES,
      operationMaxMs,
    });
    const tick = (): void => {
      store.maintain();
      clock.schedule(MAINTENANCE_MS, tick);
    };
    tick();
    const defer = (run: () => void) => void clock.schedule(plan.turnMs, run);
    const deps = {
      store: watchAnswers(store, {
        acknowledged: (stamps) => judge.acknowledged(name, stamps),
        asks: (key) => judge.asked(name, key),
        invalidationRefused: ({ message }) =>
          history.violate("full-engine", `${name} refuses to invalidate: ${message}`),
      }),
      limits: resolveLimits({ subscriptionMaxSelectors: plan.selectorsMax }),
      transport: { ...resolveTransportLimits(), frameMaxEvents: plan.frameMaxEvents },
      telemetry: createNoTelemetry(logger),
      defer,
    };
    void store.start().then((isStarted) => {
      if (!isStarted || !process.alive()) return;
      history.note(name, "serves");
      network.servers.set(address, { process, accept: (sink) => createExchangeSession(deps, sink) });
    });
    return [process, store];
  }
}

function messageOf(fields: object): string {
  return "err" in fields && fields.err instanceof Error ? fields.err.message : "";
}

function causeOf(error: unknown): string {
  const cause = typeof error === "object" && error !== null && "err" in error ? error.err : error;
  return cause instanceof Error ? `${cause.stack}` : String(cause);
}
