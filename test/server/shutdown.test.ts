/** Graceful shutdown: who is told, what is still served, and that it ends in time. */
import { once } from "node:events";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { waitUpTo } from "../../src/server/shutdown.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { connectRaw } from "../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";

const { method } = CacheService;
let running: RunningServer | undefined;

afterEach(() => running?.stop());

describe("waitUpTo()", () => {
  it("ends with what it waits for, also when that rejects, or when the time is over", async () => {
    const clock = new ManualClock();
    await waitUpTo(clock, 1_000, Promise.resolve());
    await expect(waitUpTo(clock, 1_000, Promise.reject(new Error("planted")))).rejects.toThrow("planted");
    const late = waitUpTo(clock, 1_000, new Promise(() => {}));
    clock.advance(1_000);
    await late;
  });
});

describe("drain()", () => {
  it("tells health and streams, refuses new streams, still serves calls, and ends in time", async () => {
    running = await startServer({ transport: { drainMaxMs: 1_000 } });
    const { client, server } = running;
    const stream = client.serverStream(method.stream, { namespace: "n" });
    await once(stream, "data");
    const frames: unknown[] = [];
    stream.on("data", ({ frame }) => frames.push(frame.case));
    const ended = once(stream, "error");
    const granted = await client.unary(method.lease, { namespace: "n", key: "k" });
    const token = granted.outcome.case === "granted" ? granted.outcome.value.token : 0n;
    const waiting = client.unary(method.lease, { namespace: "n", key: "k", waitMs: 10_000 });

    const began = performance.now();
    const drained = server.drain();
    expect(await running.health()).toBe("NOT_SERVING");
    const refused = client.serverStream(method.stream, { namespace: "n" });
    expect(await once(refused, "error")).toMatchObject([{ code: status.UNAVAILABLE }]);
    const stored = await client.unary(method.set, {
      namespace: "n",
      key: "k",
      value: Buffer.from("v"),
      condition: { case: "leaseToken", value: token },
    });
    expect(stored.outcome.case).toBe("stored");
    expect((await waiting).outcome.case).toBe("hit");
    expect(await ended).toMatchObject([{ code: status.UNAVAILABLE }]);
    expect(frames).toContain("draining");
    await drained;
    expect(performance.now() - began).toBeLessThan(1_900);
    await expect(client.unary(method.get, { namespace: "n", key: "k" })).rejects.toMatchObject({
      reason: "UNAVAILABLE",
    });
  });

  it("cuts calls that do not end in time", async () => {
    running = await startServer({ transport: { drainMaxMs: 200 } });
    const { client, server } = running;
    await client.unary(method.lease, { namespace: "n", key: "k" });
    const waiting = client.unary(method.lease, { namespace: "n", key: "k", waitMs: 30_000 });
    const lost = expect(waiting).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    while (server.store.counters.leasesGranted === 0) await new Promise(setImmediate);
    await server.drain();
    await lost;
  });

  it("does not wait when nothing runs", async () => {
    running = await startServer();
    await running.client.unary(method.get, { namespace: "n", key: "k" });
    const began = performance.now();
    await running.server.drain();
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  it("ends with a close() that comes while it waits for connections", async () => {
    const clock = new ManualClock();
    running = await startServer({ clock, transport: { drainMaxMs: 2_000 } });
    const { server, address } = running;
    const connection = await connectRaw(address);
    // A request that is never complete keeps its connection open.
    connection.open("/meshcache.v1.CacheService/Get").write(Buffer.of(0));
    await new Promise((resolve) => connection.session.ping(resolve));
    const retired = once(connection.session, "goaway");
    const drained = server.drain();
    clock.advance(1_000);
    await retired;
    // The clock stands still: nothing but the end of the connection resolves either of them.
    await Promise.all([server.close(), drained]);
  });
});
