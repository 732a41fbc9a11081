/** A client in the simulation: a real MeshCache in a process that can pause and crash. A new process replaces it. */
import { text } from "../../src/client/api/codecs.ts";
import { MeshCache } from "../../src/client/mesh-cache.ts";
import type { Namespace } from "../../src/client/namespace.ts";
import { createSeededRng, type Rng } from "../../src/common/random.ts";
import type { Network, Wire } from "./network.ts";
import { between, chance, type Plan, pick, rngFor } from "./plan.ts";
import { createProcess, type SimulatedProcess } from "./process.ts";
import type { VirtualTime } from "./virtual-time.ts";

export const NAMESPACE_NAME = "app";

/** One life of a client. Each life has a name of its own, because a new process knows nothing of the one before. */
export interface ClientLife {
  readonly name: string;
  readonly process: SimulatedProcess;
  readonly cache: MeshCache;
  readonly entries: Namespace<string>;
}

export interface ClientNode {
  readonly name: string;
  readonly wire: Wire;
  readonly life: ClientLife;
  readonly process: SimulatedProcess;
  /** Kills the process with its loads and leases, and starts another one in its place. */
  crash(): void;
}

/** Some have a prefix in common with the namespace of the keys, so that one selector may cover both. */
const OTHER_NAMES = ["app.1", "app.2", "apple", "approach", "banana", "a"] as const;

/** Opens and closes namespaces, so that selectors come and go, and become wider and narrower, while events are under way. */
function churn(
  cache: MeshCache,
  process: SimulatedProcess,
  open: () => Namespace<string>,
  rng: Rng,
  everyMs: number,
  isOver: () => boolean,
): void {
  const others = new Map<string, Namespace<string>>();
  const change = (): void => {
    if (isOver()) {
      // The end of a run looks at what is kept.
      open();
      return;
    }
    if (chance(rng, 0.3)) void open().close();
    else {
      const name = pick(rng, OTHER_NAMES);
      const other = others.get(name);
      others.delete(name);
      if (other === undefined) others.set(name, cache.namespace(name, { codec: text() }));
      else void other.close();
    }
    process.clock.schedule(between(rng, 1, 2 * everyMs), change);
  };
  process.clock.schedule(between(rng, 1, 2 * everyMs), change);
}

export function createClientNode(
  name: string,
  time: VirtualTime,
  rng: Rng,
  plan: Plan,
  network: Network,
  born: (life: ClientLife) => void,
  addresses: readonly string[] = ["one:1", "other:1"],
): ClientNode {
  const wire: Wire = {
    upHeld: false,
    downHeld: false,
    slowReadMs: 0,
    latencyMs: plan.latencyMs,
    jitterMs: plan.jitterMs,
  };
  let lives = 0;
  let life: ClientLife;

  function begin(): void {
    lives += 1;
    const lifeName = lives === 1 ? name : `${name}.${lives}`;
    const process = createProcess(lifeName, time, rng);
    const cache = new MeshCache(
      {
        address: addresses,
        clientId: lifeName,
        leaseMs: plan.leaseMs,
        pingMs: plan.pingMs,
        silenceMaxMs: plan.silenceMaxMs,
        deadlineMs: plan.deadlineMs,
        connectTimeoutMs: 400,
        backoffMinMs: 10,
        backoffMaxMs: 200,
        revalidateJitterMs: plan.revalidateJitterMs,
        queuedInvalidationsMaxNames: plan.queuedInvalidationsMaxNames,
        telemetry: { spans: false },
      },
      {
        clock: process.clock,
        rng: createSeededRng(Number(rng.uint64() & 0xffff_ffffn)),
        transport: network.transport(process, wire),
        warn: () => undefined,
      },
    );
    // The client connects before it has a namespace, so the subscription comes in the middle of a stream.
    const open = (): Namespace<string> =>
      cache.namespace(NAMESPACE_NAME, {
        codec: text(),
        ttlMs: plan.ttlMs,
        staleMs: plan.staleMs,
        outageTtlMs: plan.outageTtlMs,
        negativeTtlMs: Math.max(plan.ttlMs, 100),
      });
    if (plan.opensLate) cache.sync().catch(() => undefined);
    else open();
    if (plan.churnMs > 0) {
      const isOver = () => time.nowMs() >= plan.workMs;
      churn(cache, process, open, rngFor(plan.seed, 100 + lives), plan.churnMs, isOver);
    }
    life = {
      name: lifeName,
      process,
      cache,
      // The one that is open, or another one after it was closed.
      get entries() {
        return open();
      },
    };
    born(life);
  }

  begin();
  return {
    name,
    wire,
    get life() {
      return life;
    },
    get process() {
      return life.process;
    },
    crash() {
      const { process } = life;
      process.kill();
      for (const connection of [...network.connections]) {
        if (connection.client !== process) continue;
        if (rng.fraction() < 0.5) connection.silence();
        else connection.reset();
      }
      begin();
    },
  };
}
