/** The first bytes of connections, which may be hundreds of calls, are served in turns. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { AcceleratedConnections } from "../../../src/server/connections/accelerated-connections.ts";
import type { AcceleratedConnection } from "../../../src/server/connections/accelerator.ts";
import { eventually } from "../../support/eventually.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const HALF_CLOSE_MAX_MS = 1_000;

let undo = new AsyncDisposableStack();
let clock: ManualClock;
let connections: AcceleratedConnections;
let retired: number;
let waiting: (() => void)[];
let served: string[];
let accepted: Socket[];
let open: (first: string) => Promise<Socket>;

beforeEach(async () => {
  undo = new AsyncDisposableStack();
  clock = new ManualClock();
  [waiting, served, accepted, retired] = [[], [], [], 0];
  const connection: AcceleratedConnection = {
    destroyed: false,
    ping: () => true,
    once: () => {},
    retire: () => {
      retired += 1;
    },
    destroy: () => {},
  };
  const accelerator = {
    serve(_socket: Socket, firstBytes: Buffer) {
      served.push(firstBytes.toString());
      return connection;
    },
  };
  connections = new AcceleratedConnections(accelerator, {
    limits: { halfCloseMaxMs: HALF_CLOSE_MAX_MS },
    clock,
    boundary: loudBoundary,
    turns: { inTurn: (_owner, run) => void waiting.push(run) },
  });
  const listener = createServer((socket) => {
    accepted.push(socket);
    socket.on("error", () => {});
    connections.begin(socket, undefined);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  undo.defer(() => void listener.close());
  const address = listener.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  open = async (first) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    undo.defer(() => void socket.destroy());
    await once(socket, "connect");
    if (first !== "") socket.write(first);
    return socket;
  };
});
afterEach(() => undo.disposeAsync());

it("wait until there is a turn for them, with what has come by then", async () => {
  const one = await open("one");
  await eventually(() => expect(waiting.length).toBe(1));
  await open("other");
  await eventually(() => expect(waiting.length).toBe(2));
  expect(served).toEqual([]);
  one.write(" and more");
  await eventually(() => expect(accepted[0]?.readableLength).toBe("one and more".length));
  for (const run of waiting.splice(0)) run();
  expect(served).toEqual(["one and more", "other"]);
});

it("are not served when their connection is gone by then", async () => {
  const gone = await open("gone");
  await eventually(() => expect(waiting.length).toBe(1));
  gone.resetAndDestroy();
  await eventually(() => expect(accepted[0]?.destroyed).toBe(true));
  for (const run of waiting.splice(0)) run();
  expect(served).toEqual([]);
});

it("are served also when the server retires meanwhile, and their client is told to leave", async () => {
  await open("one");
  await eventually(() => expect(waiting.length).toBe(1));
  connections.retire();
  for (const run of waiting.splice(0)) run();
  expect([served, retired]).toEqual([["one"], 1]);
});

it("have to come in time, but may wait for their turn", async () => {
  await open("one");
  await eventually(() => expect(waiting.length).toBe(1));
  clock.advance(HALF_CLOSE_MAX_MS);
  expect(accepted[0]?.destroyed).toBe(false);
});

it("have to come in time", async () => {
  await open("");
  await eventually(() => expect(accepted.length).toBe(1));
  clock.advance(HALF_CLOSE_MAX_MS);
  expect(accepted[0]?.destroyed).toBe(true);
});
