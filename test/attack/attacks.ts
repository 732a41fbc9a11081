/** The attacks of one peer, or of some, on a server with its default settings. Each is bounded in count and time. */
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { PREFACE, setting, settings } from "../../src/http2/frame.ts";
import { encodeHeaders } from "../../src/http2/hpack.ts";
import { connectRaw, type RawConnection } from "../support/raw-grpc.ts";
import { connectSocket, FLAG, FRAME, frame, uint32 } from "../support/raw-http2.ts";
import { type Attack, connections, type Target, whileOpen } from "./attack.ts";
import { frameAttacks } from "./frame-attacks.ts";
import { namespaceAttacks } from "./namespace-attacks.ts";
import * as request from "./requests.ts";

const { PATHS } = request;
const MIB = 2 ** 20;

/** Holds what was opened until the time is over. */
async function hold(target: Target, opened: readonly RawConnection[]): Promise<void> {
  await new Promise<void>((resolve) => {
    if (target.over.aborted) resolve();
    target.over.addEventListener("abort", () => resolve(), { once: true });
  });
  for (const one of opened) one.close();
}

async function fill(raw: RawConnection, namespace: string, count: number, valueBytes: number): Promise<void> {
  const value = Buffer.alloc(valueBytes, "v");
  await request.spread(count, 8, (index) =>
    raw.call(PATHS.set, request.set({ namespace, key: `k${index}`, value })),
  );
}

const UNKNOWN_PATH = {
  ":method": "POST",
  ":scheme": "http",
  ":path": "/nobody.Knows/This",
  ":authority": "attack",
  "content-type": "application/grpc",
};

const resetStreams: Attack = {
  name: "streams reset in the first segment",
  line: "A1",
  about: "HEADERS of an unknown path and RST_STREAM in one segment, 2,000 connections",
  async run({ port, over }) {
    const bytes = Buffer.concat([
      PREFACE,
      frame(FRAME.settings, 0, 0),
      frame(FRAME.headers, FLAG.endHeaders, 1, encodeHeaders(UNKNOWN_PATH)),
      frame(FRAME.reset, 0, 1, uint32(8)),
    ]);
    await request.spread(2_000, 16, async () => {
      if (over.aborted) return;
      const { socket, closed } = await connectSocket(port, false);
      socket.end(bytes);
      await closed;
    });
  },
};

const unknownWatches: Attack = {
  name: "watches of unknown services",
  line: "A2",
  about: "900 Health/Watch of names of 2.4 MB, each cancelled, on each of 4 connections",
  async run(target) {
    const name = Buffer.alloc(2_400_000, "n");
    const head = Buffer.from([0x0a, 0x80, 0xbe, 0x92, 0x01]);
    const body = Buffer.concat([Buffer.from([0]), uint32(head.length + name.length), head, name]);
    const opened = await connections(target, 4);
    for (const raw of opened) {
      await request.spread(900, 4, async () => {
        if (target.over.aborted || raw.session.closed) return;
        const stream = raw.open(PATHS.watch);
        const closed = new Promise((resolve) => stream.once("close", resolve));
        stream.once("data", () => stream.close(8));
        stream.end(body);
        await Promise.race([closed, pause(2_000)]);
        stream.close(8);
      });
    }
    for (const raw of opened) raw.close();
  },
};

const unreadGets: Attack = {
  name: "Gets that nobody reads",
  line: "A3",
  about: "4,000 Gets of 1 MiB over 16 connections, no answer is read",
  async run(target) {
    const opened = await connections(target, 16);
    const [first] = opened;
    await fill(first, "a3-gets", 8, MIB);
    for (const raw of opened) {
      for (let call = 0; call < 250; call++)
        request.callUnread(raw, PATHS.get, request.get("a3-gets", `k${call % 8}`));
    }
    await hold(target, opened);
  },
};

const waitingBatches: Attack = {
  name: "batches that wait beside results",
  line: "A3",
  about: "960 Batches of three Gets of 1 MiB and a lease that somebody holds, over 4 connections",
  async run(target) {
    const opened = await connections(target, 4);
    const [first] = opened;
    await fill(first, "a3-batches", 3, MIB);
    await first.call(PATHS.lease, request.lease("a3-batches", "held", 0, 30_000));
    const namespace = "a3-batches";
    const body = request.batch({
      namespace,
      operations: [
        ...["k0", "k1", "k2"].map((key) => ({ operation: { case: "get" as const, value: { key } } })),
        { operation: { case: "lease" as const, value: { key: "held", waitMs: 10_000 } } },
      ],
    });
    for (const raw of opened)
      for (let call = 0; call < 240; call++) request.callUnread(raw, PATHS.batch, body);
    await hold(target, opened);
  },
};

const waitersOnFills: Attack = {
  name: "waiters for fills",
  line: "A3",
  about: "1,000 waiters on each of 8 leases that are filled with 1 MiB, over 32 connections, none reads",
  async run(target) {
    const opened = await connections(target, 32);
    const [first] = opened;
    const namespace = "a3-fills";
    const tokens: bigint[] = [];
    for (let key = 0; key < 8; key++) {
      const { body } = await first.call(PATHS.lease, request.lease(namespace, `f${key}`, 0, 30_000));
      const at = body.indexOf(0x09, 5 + 13);
      tokens.push(at < 0 ? 0n : body.readBigUInt64LE(at + 1));
    }
    opened.forEach((raw, connection) => {
      for (let call = 0; call < 250; call++)
        request.callUnread(raw, PATHS.lease, request.lease(namespace, `f${connection % 8}`, 20_000));
    });
    await pause(500);
    const value = Buffer.alloc(MIB, "v");
    await request.spread(8, 8, (key) =>
      first.call(PATHS.set, request.set({ namespace, key: `f${key}`, value })),
    );
    await hold(target, opened);
  },
};

const unendedSets: Attack = {
  name: "Sets that never end",
  line: "A3",
  about: "1,920 Sets of 1 MiB without their last byte, over 8 connections",
  async run(target) {
    const opened = await connections(target, 8);
    const whole = request.set({ namespace: "a3-sets", key: "k", value: Buffer.alloc(MIB, "v") });
    const part = whole.subarray(0, whole.length - 1);
    for (const raw of opened)
      for (let call = 0; call < 240; call++) request.callUnended(raw, PATHS.set, part);
    await hold(target, opened);
  },
};

const unendedMessages: Attack = {
  name: "exchange messages without their last byte",
  line: "A3",
  about: "960 Exchange streams with a message of 2 MiB that lacks its last byte, over 60 connections",
  async run(target) {
    const opened = await connections(target, 60);
    const set = { namespace: "n", key: "k", value: Buffer.alloc(MIB, "v") };
    const whole = request.exchange({
      id: 1n,
      frame: {
        case: "batch",
        value: {
          operations: [
            { operation: { case: "set", value: set } },
            { operation: { case: "set", value: set } },
          ],
        },
      },
    });
    const part = whole.subarray(0, whole.length - 1);
    for (const raw of opened)
      for (let call = 0; call < 16; call++) request.callUnended(raw, PATHS.exchange, part);
    await hold(target, opened);
  },
};

const largeBatches: Attack = {
  name: "batches of large Gets",
  line: "A4",
  about: "20 Batches of 1,024 Gets of one value of 1 MiB, again and again",
  async run(target) {
    const raw = await connectRaw(target.address);
    await fill(raw, "a4-gets", 1, MIB);
    const operation = { operation: { case: "get" as const, value: { key: "k0" } } };
    const body = request.batch({ namespace: "a4-gets", operations: Array(1_024).fill(operation) });
    await whileOpen(target, raw, () => request.spread(20, 20, () => raw.call(PATHS.batch, body)));
    raw.close();
  },
};

const leasesAndFences: Attack = {
  name: "prefix invalidations beside many leases",
  line: "A4",
  about: "262,144 leases, then Batches of 1,024 prefix invalidations, again and again",
  async run(target) {
    const raw = await connectRaw(target.address);
    const namespace = "a4-leases";
    await request.spread(256, 4, async (part) => {
      if (target.over.aborted) return;
      const operations = Array.from({ length: 1_024 }, (_, index) => ({
        operation: { case: "lease" as const, value: { key: `${part}-${index}`, leaseMs: 30_000 } },
      }));
      await raw.call(PATHS.batch, request.batch({ namespace, operations }));
    });
    const operations = Array.from({ length: 1_024 }, (_, index) => ({
      operation: {
        case: "invalidate" as const,
        value: { target: { case: "prefix" as const, value: `no-${index}` } },
      },
    }));
    const body = request.batch({ namespace, operations });
    await whileOpen(target, raw, () => raw.call(PATHS.batch, body));
    raw.close();
  },
};

function manyInOneMessage(name: string, about: string, body: Buffer): Attack {
  return {
    name,
    line: "A4",
    about,
    async run(target) {
      const raw = await connectRaw(target.address);
      await whileOpen(target, raw, () => request.spread(4, 4, () => raw.call(PATHS.batch, body)));
      raw.close();
    },
  };
}

/** The bytes of a BatchRequest whose operations are `operation`, `count` times. */
function repeated(operation: Uint8Array, count: number): Buffer {
  const field = Buffer.concat([Buffer.from([0x12, operation.length]), operation]);
  const bytes = Buffer.concat(Array(count).fill(field));
  return Buffer.concat([Buffer.from([0]), uint32(bytes.length), bytes]);
}

const manyTags = manyInOneMessage(
  "65,536 tags in a Batch",
  "one Set with 65,536 tags, again and again",
  request.batch({
    operations: [
      {
        operation: {
          case: "set",
          value: {
            namespace: "a4",
            key: "k",
            tags: Array.from({ length: 65_536 }, (_, index) => `t${index}`),
          },
        },
      },
    ],
  }),
);
const manyKeys = manyInOneMessage(
  "400,000 keys in a Batch",
  "one Invalidate of 400,000 keys, again and again",
  request.batch({
    operations: [
      {
        operation: {
          case: "invalidate",
          value: { namespace: "a4", target: { case: "keys", value: { keys: Array(400_000).fill("k") } } },
        },
      },
    ],
  }),
);
const emptyOperations = manyInOneMessage(
  "1.2 M empty operations in a Batch",
  "1,200,000 operations without anything in them, again and again",
  repeated(new Uint8Array(0), 1_200_000),
);

const leaseEnds: Attack = {
  name: "lease ends spread over time",
  line: "A6",
  about: "leases of 100 to 10,000 ms on 100,000 keys, renewed all the time",
  async run(target) {
    const raw = await connectRaw(target.address);
    let part = 0;
    await whileOpen(target, raw, () => {
      const operations = Array.from({ length: 1_024 }, (_, index) => ({
        operation: {
          case: "lease" as const,
          value: { key: `${part % 100}-${index}`, leaseMs: 100 + ((index * 97) % 9_900) },
        },
      }));
      part += 1;
      return raw.call(PATHS.batch, request.batch({ namespace: "a6", operations }));
    });
    raw.close();
  },
};

/** Frames that carry nothing, to a connection for one stream whose Exchange is open. */
function flood(name: string, bytes: Buffer): Attack {
  return {
    name: `flood of ${name}`,
    line: "A7",
    about: `${name} on the single-stream path, as fast as the server takes them, on 4 connections`,
    async run({ port, over }) {
      const open = Buffer.concat([
        PREFACE,
        settings([[setting.singleStream, 1]]),
        frame(
          FRAME.headers,
          FLAG.endHeaders,
          1,
          encodeHeaders({ ...UNKNOWN_PATH, ":path": PATHS.exchange, te: "trailers" }),
        ),
      ]);
      const chunk = Buffer.concat(Array(Math.ceil(16_384 / bytes.length)).fill(bytes));
      await request.spread(1_000, 4, async () => {
        if (over.aborted) return;
        const { socket, closed, flood: send } = await connectSocket(port, false);
        over.addEventListener("abort", () => socket.destroy(), { once: true });
        socket.write(open);
        await send(chunk, 100_000);
        socket.end();
        await closed;
        await pause(10);
      });
    },
  };
}

const floods = [
  flood("GOAWAY", frame(7, 0, 0, Buffer.alloc(8))),
  flood("SETTINGS acknowledgements", frame(FRAME.settings, FLAG.ack, 0)),
  flood("PING acknowledgements", frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8))),
  flood("WINDOW_UPDATE", frame(FRAME.windowUpdate, 0, 1, uint32(1))),
  flood("padded empty DATA", frame(FRAME.data, 0x8, 1, Buffer.from([3, 0, 0, 0]))),
];

const silentAdmin: Attack = {
  name: "silent connections to the admin port",
  line: "A9",
  about: "3,000 connections that say nothing",
  async run({ adminPort, over }) {
    const sockets = Array.from({ length: 3_000 }, () => {
      const socket = connect(adminPort, "127.0.0.1");
      socket.on("error", () => {});
      return socket;
    });
    await new Promise<void>((resolve) => over.addEventListener("abort", () => resolve(), { once: true }));
    for (const socket of sockets) socket.destroy();
  },
};

const longHeaders: Attack = {
  name: "63 KiB of headers before SETTINGS are acknowledged",
  line: "A9",
  about: "one call with 63 KiB of headers in the first segment, on each of 2,000 connections",
  async run({ port, over }) {
    const headers: Record<string, string> = { ...UNKNOWN_PATH, ":path": PATHS.get };
    for (let index = 0; index < 60; index++) headers[`x-h${index}`] = "v".repeat(1_000);
    const block = encodeHeaders(headers);
    const pieces: Buffer[] = [];
    for (let at = 0; at < block.length; at += 16_384) {
      const isLast = at + 16_384 >= block.length;
      const type = at === 0 ? FRAME.headers : FRAME.continuation;
      pieces.push(frame(type, isLast ? FLAG.endHeaders : 0, 1, block.subarray(at, at + 16_384)));
    }
    const bytes = Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), ...pieces]);
    await request.spread(2_000, 16, async () => {
      if (over.aborted) return;
      const { socket, closed } = await connectSocket(port, false);
      socket.write(bytes);
      await Promise.race([closed, pause(100)]);
      socket.destroy();
    });
  },
};

export const attacks: readonly Attack[] = [
  resetStreams,
  unknownWatches,
  unreadGets,
  waitingBatches,
  waitersOnFills,
  unendedSets,
  unendedMessages,
  largeBatches,
  leasesAndFences,
  manyTags,
  manyKeys,
  emptyOperations,
  ...frameAttacks,
  ...namespaceAttacks,
  leaseEnds,
  ...floods,
  silentAdmin,
  longHeaders,
];
