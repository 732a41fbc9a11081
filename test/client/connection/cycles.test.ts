/** Connect, subscribe, close, over and over: no stream, timer, listener or heap slope is left behind. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { MeshCache } from "../../../src/client/mesh-cache.ts";
import { type Clock, systemClock, type Timer } from "../../../src/common/clock.ts";
import { json } from "../../../src/index.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import type { ProcessObservation, Telemetry } from "../../../src/telemetry/telemetry.ts";
import { startTestCache } from "../../../src/testing/index.ts";
import { Mesh } from "../../support/mesh.ts";
import { until } from "../../support/until.ts";

const CYCLES = Number(process.env.CLIENT_CYCLES ?? 50_000);
/** Each opens a connection, so there are fewer in the suite; 50,000 take some minutes. */
const SOCKET_CYCLES = Number(process.env.SOCKET_CYCLES ?? 500);
const WARM_UP = Math.min(5_000, CYCLES / 5);
const HEAP_SLOPE_MAX_BYTES = 100;

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

/** Bytes of live heap. */
async function heapBytes(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  return process.memoryUsage().heapUsed;
}

/** A clock that knows how many of its timers are pending. */
function countingClock(): Clock & { readonly pending: number } {
  const pending = new Set<Timer>();
  return {
    get pending() {
      return pending.size;
    },
    nowMs: () => systemClock.nowMs(),
    nowMicros: () => systemClock.nowMicros(),
    wallMs: () => systemClock.wallMs(),
    schedule(delayMs, run) {
      const inner = systemClock.schedule(delayMs, () => {
        pending.delete(timer);
        run();
      });
      const timer: Timer = {
        cancel() {
          pending.delete(timer);
          inner.cancel();
        },
      };
      pending.add(timer);
      return timer;
    },
  };
}

describe("Cycles of a client", () => {
  it(`leave nothing behind after ${CYCLES} over an in-memory transport`, { timeout: 120_000 }, async () => {
    const mesh = new Mesh();
    const cycle = async (): Promise<void> => {
      const cache = mesh.connect();
      const subscription = cache.namespace("users", { codec: json() }).subscribe();
      await mesh.settle();
      await subscription.isLive;
      await cache.close();
      mesh.links.length = 0;
    };
    for (let index = 0; index < WARM_UP; index += 1) await cycle();
    const before = await heapBytes();
    for (let index = WARM_UP; index < CYCLES; index += 1) await cycle();
    const after = await heapBytes();
    expect(mesh.clock.pending).toBe(0);
    expect((after - before) / (CYCLES - WARM_UP)).toBeLessThan(HEAP_SLOPE_MAX_BYTES);
  });

  it(`leave nothing in the server and the client after ${SOCKET_CYCLES} over real sockets`, {
    timeout: 1_200_000,
  }, async () => {
    let server: ProcessObservation | undefined;
    const telemetry: Telemetry = {
      ...createNoTelemetry(),
      observeProcess(_store, observation) {
        server = observation;
        return () => undefined;
      },
    };
    await using mesh = await startTestCache({ server: { telemetry } });
    const clock = countingClock();
    const held = async () => [server?.subscribers(), server?.connections()];
    const cycle = async (): Promise<void> => {
      const cache = new MeshCache({ address: mesh.address }, { clock });
      const users = cache.namespace("users", { codec: json<string>() });
      await using subscription = users.subscribe();
      await subscription.isLive;
      expect(server?.subscribers()).toBeGreaterThan(0);
      await users.set("k", "v");
      await cache.close();
    };
    const warmUp = SOCKET_CYCLES / 5;
    for (let index = 0; index < warmUp; index += 1) await cycle();
    await until(held, (counts) => counts.every((count) => count === 0));
    const before = await heapBytes();
    for (let index = warmUp; index < SOCKET_CYCLES; index += 1) await cycle();
    await until(held, (counts) => counts.every((count) => count === 0));
    expect(clock.pending).toBe(0);
    const slope = ((await heapBytes()) - before) / (SOCKET_CYCLES - warmUp);
    // Client and server together. Over a few hundred cycles most of it is noise, so more is allowed.
    expect(slope).toBeLessThan(SOCKET_CYCLES < 5_000 ? 8_192 : 1_024);
    const probe = mesh.cache.namespace("users", { codec: json<string>() });
    expect((await probe.get("k")).kind).toBe("hit");
  });
});
