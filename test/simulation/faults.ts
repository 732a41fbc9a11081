/** Injects faults at times that the seed chooses, and heals all of them at the end. */
import type { Rng } from "../../src/common/random.ts";
import type { History } from "./history.ts";
import type { Network, Wire } from "./network.ts";
import { between, chance, type FaultKind, type Plan, pick } from "./plan.ts";
import type { SimulatedProcess } from "./process.ts";
import type { ServerNode } from "./server-node.ts";
import { otherSettings } from "./settings.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What the faults need of a client. */
export interface Target {
  readonly name: string;
  readonly process: SimulatedProcess;
  readonly wire: Wire;
  /** Kills the process and starts another in its place. */
  crash(): void;
}

export interface Faults {
  /** Ends all faults. The clients and the server may need time to notice. */
  heal(): void;
}

/** From about a ping interval to an hour. */
const WALL_STEPS_MS = [60, 200, 1_000, 3_600_000];
/** More than clocks may drift. */
const STEP_DISTANCE_MS = 20;

/** Not so short that it is drift, nor a step of the wall clock: set back by as much meanwhile, it would show nothing. */
function suspensionMs(durationMs: number): number {
  const isStep = WALL_STEPS_MS.some((stepMs) => Math.abs(stepMs - durationMs) < STEP_DISTANCE_MS);
  return Math.max(durationMs, STEP_DISTANCE_MS) + (isStep ? 2 * STEP_DISTANCE_MS : 0);
}

export function scheduleFaults(
  time: VirtualTime,
  rng: Rng,
  plan: Plan,
  history: History,
  network: Network,
  server: ServerNode,
  targets: readonly Target[],
): Faults {
  const undo = new Set<() => void>();
  let healed = false;

  const forMs = (durationMs: number, end: () => void): void => {
    const once = (): void => {
      if (undo.delete(once)) end();
    };
    undo.add(once);
    time.at(time.nowMs() + durationMs, once);
  };
  const connectionsOf = (target: Target) =>
    [...network.connections].filter((connection) => connection.client === target.process);

  function hold(target: Target, up: boolean, down: boolean, durationMs: number): void {
    history.note("fault", `${target.name}: ${up ? "up" : ""}${down ? "down" : ""} held for ${durationMs} ms`);
    if (up) target.wire.upHeld = true;
    if (down) target.wire.downHeld = true;
    forMs(durationMs, () => {
      if (up) target.wire.upHeld = false;
      if (down) target.wire.downHeld = false;
      history.note("fault", `${target.name}: connected again`);
      network.poke();
    });
  }

  /** Often there and back again before the clocks are compared. */
  function setWallOfClient({ process, name }: Target): void {
    const byMs = pick(rng, [1, -1]) * pick(rng, WALL_STEPS_MS);
    const set = (stepMs: number): void => {
      history.note("fault", `${name}: its wall clock is set by ${stepMs} ms`);
      process.setWall(stepMs);
    };
    set(byMs);
    if (chance(rng, 0.5)) time.at(time.nowMs() + between(rng, 0, 2 * plan.pingMs), () => set(-byMs));
  }

  function strike(kind: FaultKind): void {
    if (healed) return;
    const target = pick(rng, targets);
    const { wire, name } = target;
    // Often longer than a lease, sometimes much longer, and sometimes very short.
    let durationMs = pick(rng, [
      between(rng, 1, 50),
      between(rng, 50, plan.leaseMs),
      between(rng, plan.leaseMs, 2 * plan.leaseMs),
    ]);
    switch (kind) {
      case "partitionUp":
        hold(target, true, false, durationMs);
        break;
      case "partitionDown":
        hold(target, false, true, durationMs);
        break;
      case "partition":
        hold(target, true, true, durationMs);
        break;
      case "reset":
        history.note("fault", `${name}: reset`);
        for (const connection of connectionsOf(target)) connection.reset();
        break;
      case "silence":
        history.note("fault", `${name}: connections silent`);
        for (const connection of connectionsOf(target)) connection.silence();
        break;
      case "pauseClient":
        history.note("fault", `${name}: paused for ${durationMs} ms`);
        target.process.pause(durationMs);
        break;
      case "pauseServer":
        history.note("fault", `server: paused for ${durationMs} ms`);
        server.process.pause(durationMs);
        break;
      case "restart":
      case "powerLoss":
        if (!server.process.alive()) break;
        server.stop(kind === "powerLoss");
        forMs(chance(rng, 0.5) ? 0 : durationMs, () => server.start());
        break;
      case "cleanRestart":
        if (!server.process.alive()) break;
        server.stopCleanly();
        forMs(chance(rng, 0.5) ? 0 : durationMs, () => server.start());
        break;
      case "spoiltSnapshot":
        if (!server.process.alive()) break;
        server.stopCleanly();
        server.disk.spoil();
        forMs(chance(rng, 0.5) ? 0 : durationMs, () => server.start());
        break;
      case "otherSettings":
        if (!server.process.alive()) break;
        server.stopCleanly();
        forMs(chance(rng, 0.5) ? 0 : durationMs, () => server.start(otherSettings(rng, server.settings)));
        break;
      case "restoredCopy":
        if (!server.process.alive()) break;
        server.stopCleanly();
        server.start();
        forMs(durationMs, () => {
          if (!server.process.alive()) return;
          server.stop(chance(rng, 0.3));
          server.disk.restoreCopy(chance(rng, 0.7));
          server.start();
        });
        break;
      case "slowReader":
        wire.slowReadMs = between(rng, 5, 80);
        history.note("fault", `${name}: reads a frame in ${wire.slowReadMs} ms`);
        forMs(durationMs + plan.leaseMs, () => {
          wire.slowReadMs = 0;
        });
        break;
      case "slowNetwork": {
        const { latencyMs, jitterMs } = wire;
        // Sometimes longer than the lease: then the answer to a ping is too old when it arrives.
        wire.latencyMs = between(rng, 20, Math.floor(1.2 * plan.leaseMs));
        wire.jitterMs = between(rng, 0, 200);
        history.note("fault", `${name}: latency ${wire.latencyMs} to ${wire.latencyMs + wire.jitterMs} ms`);
        forMs(durationMs + 2 * plan.leaseMs, () => {
          wire.latencyMs = Math.min(latencyMs, plan.latencyMs);
          wire.jitterMs = Math.min(jitterMs, plan.jitterMs);
        });
        break;
      }
      case "drain":
        history.note("fault", `${name}: its server drains`);
        for (const connection of connectionsOf(target)) {
          connection.drain();
          forMs(durationMs, () => connection.reset());
        }
        break;
      case "crashClient":
        history.note("fault", `${name}: crashes`);
        target.crash();
        break;
      case "suspendClient":
        durationMs = suspensionMs(durationMs);
        history.note("fault", `${name}: its host is suspended for ${durationMs} ms`);
        target.process.suspend(durationMs);
        break;
      case "suspendServer":
        durationMs = suspensionMs(durationMs);
        history.note("fault", `server: its host is suspended for ${durationMs} ms`);
        server.process.suspend(durationMs);
        break;
      case "setWallOfClient":
        setWallOfClient(target);
        break;
      case "setWallOfServer": {
        // Forth would only end entries and leases early. Back while the host is suspended is not covered.
        if (plan.faultKinds.includes("suspendServer")) break;
        const wallStepMs = -pick(rng, WALL_STEPS_MS);
        history.note("fault", `server: its wall clock is set by ${wallStepMs} ms`);
        server.process.setWall(wallStepMs);
        break;
      }
      default:
        kind satisfies never;
    }
  }

  for (let index = 0; index < plan.faults; index += 1) {
    time.at(between(rng, 0, plan.workMs), () => strike(pick(rng, plan.faultKinds)));
  }
  return {
    heal() {
      healed = true;
      for (const end of [...undo]) end();
      // From now on a keepalive finds every connection that is silent.
      for (const connection of [...network.connections]) connection.poke();
      history.note("fault", "all healed");
    },
  };
}
