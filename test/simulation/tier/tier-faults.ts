/** Faults of the engine and of the servers of a tier, at times that the seed chooses. */
import type { Rng } from "../../../src/common/random.ts";
import { readLibrary } from "../../../src/tier/library/source.ts";
import type { History } from "../history.ts";
import type { Network } from "../network.ts";
import { between, chance, pick } from "../plan.ts";
import type { VirtualTime } from "../virtual-time.ts";
import type { EngineModel } from "./engine-cluster.ts";
import type { EngineNode } from "./engine-node.ts";
import type { TierFaultKind, TierPlan } from "./tier-plan.ts";
import type { TierServer } from "./tier-server.ts";

export interface TierFaultDeps {
  readonly time: VirtualTime;
  readonly rng: Rng;
  readonly history: History;
  readonly network: Network;
  readonly engine: EngineModel;
  readonly servers: readonly TierServer[];
  readonly tier: TierPlan;
}

export class TierFaults {
  readonly #deps: TierFaultDeps;
  readonly #undo = new Set<() => void>();
  #isHealed = false;
  #sleepsUntilMs = 0;

  constructor(deps: TierFaultDeps) {
    this.#deps = deps;
    const { time, rng, tier } = deps;
    for (let index = 0; index < tier.faults; index += 1) {
      const kind = pick(rng, tier.kinds);
      // What takes long begins early enough to end before all is healed.
      const lastMs = kind === "sleepThroughElection" ? tier.plan.workMs - this.#sleepMaxMs : tier.plan.workMs;
      time.at(between(rng, 300, Math.max(300, lastMs)), () => this.#strike(kind));
    }
  }

  heal(): void {
    const { engine, servers, history } = this.#deps;
    this.#isHealed = true;
    for (const end of [...this.#undo]) end();
    engine.heal();
    for (const server of servers) if (!server.process.alive()) server.start();
    history.note("fault", "all of the tier healed");
  }

  get #sleepMaxMs(): number {
    return this.#deps.tier.cluster.nodeTimeoutMs + 2_700;
  }

  #forMs(durationMs: number, end: () => void): void {
    const { time } = this.#deps;
    const once = (): void => {
      if (this.#undo.delete(once)) end();
    };
    this.#undo.add(once);
    time.at(time.nowMs() + durationMs, once);
  }

  #strike(kind: TierFaultKind): void {
    if (this.#isHealed) return;
    const { rng, history, tier, engine, servers } = this.#deps;
    const node = pick(rng, engine.primaries);
    const server = pick(rng, servers);
    const { nodeTimeoutMs } = tier.cluster;
    // Shorter than the node timeout, about as long as an election takes, or longer.
    const durationMs = pick(rng, [
      between(rng, 1, 400),
      between(rng, nodeTimeoutMs, nodeTimeoutMs + 1_000),
      between(rng, nodeTimeoutMs + 500, nodeTimeoutMs + 2_500),
    ]);
    history.note("fault", `${kind} of ${node.name}, ${server.name}, ${durationMs} ms`);
    switch (kind) {
      case "killPrimary":
      case "killAndRestart": {
        if (!node.isAlive) break;
        engine.kill(node, chance(rng, 0.3));
        const withSnapshot = chance(rng, 0.6);
        this.#forMs(kind === "killPrimary" ? durationMs + 1_000 : between(rng, 1, 150), () =>
          engine.restart(node, withSnapshot),
        );
        break;
      }
      case "pauseNode":
        engine.pause(node, durationMs);
        break;
      case "sleepThroughElection":
        this.#sleepThroughElection(node);
        break;
      case "isolateNode":
        this.#isolate(node, durationMs);
        break;
      case "switchOver":
        engine.switchOver(node);
        break;
      case "thereAndBack":
        engine.switchOver(node);
        this.#forMs(between(rng, 50, 600), () => {
          const other = engine.primaries.find((one) => one !== node && one.view.isPrimary(one));
          for (const one of engine.primaries)
            if (other !== undefined && chance(rng, 0.5)) engine.switchOver(one);
        });
        break;
      case "flush":
        engine.flush(node);
        break;
      case "lag":
        engine.extraLagMs = between(rng, 20, 600);
        this.#forMs(durationMs + 500, () => {
          engine.extraLagMs = 0;
        });
        break;
      case "lostPushes":
        node.lostPushes = pick(rng, [0.1, 0.5, 1]);
        // A node that cannot get rid of its output ends the connection. Sometimes nothing tells of the loss.
        this.#forMs(between(rng, 20, 400), () => {
          node.lostPushes = 0;
          if (chance(rng, 0.5)) return;
          for (const peer of [...node.peers]) peer.reset();
        });
        break;
      case "resetLinks":
        engine.wires.reset(node);
        break;
      case "holdLink":
        engine.wires.hold(server.name, node);
        this.#forMs(pick(rng, [durationMs, tier.plan.leaseMs + durationMs]), () =>
          engine.wires.release(server.name, node),
        );
        break;
      case "moving":
        node.refusal = (shard) =>
          chance(rng, 0.5)
            ? pick(rng, [
                "TRYAGAIN Multiple keys request during rehashing of slot",
                `ASK ${256 * shard} ${node.name}:1`,
              ])
            : undefined;
        this.#forMs(between(rng, 10, 200), () => {
          node.refusal = () => undefined;
        });
        break;
      case "full":
        node.isFull = true;
        this.#forMs(durationMs, () => {
          node.isFull = false;
        });
        break;
      case "reloadLibrary":
        if (node.isAlive)
          node.process.deliver("operator", () => node.load(chance(rng, 0.3) ? undefined : textOf()));
        break;
      case "pauseServer":
        server.process.pause(durationMs);
        break;
      case "killServer":
        if (!server.process.alive()) break;
        server.kill();
        this.#forMs(between(rng, 50, 800), () => server.start());
        break;
      case "drainServer":
        for (const connection of [...this.#deps.network.connections]) {
          if (connection.server !== server.process) continue;
          connection.drain();
          this.#forMs(between(rng, 20, 300), () => connection.reset());
        }
        break;
      default:
        kind satisfies never;
    }
  }

  /**
   * The node wakes up when another one is in its place. A server that hears nothing of the others, and waits for longer than it
   * sleeps, still takes it for the primary.
   */
  #sleepThroughElection(node: EngineNode): void {
    const { rng, engine, tier, servers, time } = this.#deps;
    // Two that sleep are a majority.
    if (time.nowMs() < this.#sleepsUntilMs) return;
    const durationMs = between(rng, this.#sleepMaxMs - 1_000, this.#sleepMaxMs);
    engine.pause(node, durationMs);
    this.#sleepsUntilMs = time.nowMs() + durationMs;
    const patient = servers.filter((_, index) => (tier.servers[index]?.operationMaxMs ?? 0) > durationMs);
    const server = pick(rng, patient.length > 0 ? patient : servers);
    for (const other of engine.nodes) {
      if (other === node) continue;
      engine.wires.hold(server.name, other);
      this.#forMs(durationMs + between(rng, 20, 300), () => engine.wires.release(server.name, other));
    }
  }

  /** Sometimes with a server, which goes on with it. */
  #isolate(node: EngineNode, durationMs: number): void {
    const { rng, engine, servers } = this.#deps;
    engine.isolate(node);
    const cutOff = chance(rng, 0.5) ? [] : servers.filter(() => chance(rng, 0.5));
    for (const server of cutOff) engine.wires.hold(server.name, node);
    this.#forMs(durationMs, () => {
      engine.rejoin(node);
      for (const server of cutOff) engine.wires.release(server.name, node);
    });
  }
}

function textOf(): string {
  return Buffer.from(readLibrary()).toString("latin1");
}
