/** Connections that break HTTP/2 or flood it: each is closed, and others are not affected. */
import { describe, expect, it } from "vitest";
import { AdminService } from "../../../gen/meshcache/v1/admin_pb.ts";
import { encodeHeaders } from "../../../src/http2/hpack.ts";
import { eventually } from "../../support/eventually.ts";
import { connectRaw } from "../../support/raw-grpc.ts";
import {
  CALL_HEADERS,
  connectSocket,
  FLAG,
  FRAME,
  frame,
  headerBlock,
  type RawSocket,
  uint32,
} from "../../support/raw-http2.ts";
import { surviveWith } from "../../support/survival.ts";

const survivor = surviveWith({
  transport: { halfCloseMaxMs: 500, connectionMaxPingsPerSecond: 2_000, connectionsMax: 60 },
});

/** Runs the attack while another connection is in use, and expects only the attacker to be closed. */
async function attack(run: (socket: RawSocket) => Promise<void> | void, greet = true): Promise<void> {
  const { running } = survivor();
  const bystander = await connectRaw(running.address);
  const attacker = await connectSocket(running.port, greet);
  await run(attacker);
  await attacker.closed;
  expect(bystander.session.closed).toBe(false);
  bystander.close();
}

const block = headerBlock(CALL_HEADERS);
const oddIds = (count: number) => Array.from({ length: count }, (_, n) => 2 * n + 1);

describe("a connection is closed", () => {
  it("for 3,000 streams opened and reset", () =>
    attack(({ flood }) =>
      flood(
        Buffer.concat(
          oddIds(3_000).flatMap((id) => [
            frame(FRAME.headers, FLAG.endHeaders, id, block),
            frame(FRAME.reset, 0, id, uint32(8)),
          ]),
        ),
        1,
      ),
    ));

  it("for CONTINUATION frames without end", () =>
    attack(async ({ socket, flood }) => {
      socket.write(frame(FRAME.headers, 0, 1, block));
      await flood(frame(FRAME.continuation, 0, 1, headerBlock({ "x-more": "v".repeat(100) })), 50_000);
    }));

  it("for a flood of PING frames", () =>
    attack(({ flood }) =>
      flood(Buffer.concat(Array(100).fill(frame(FRAME.ping, 0, 0, Buffer.alloc(8)))), 1_000),
    ));

  it("for a flood of SETTINGS frames", () =>
    attack(({ flood }) => flood(Buffer.concat(Array(100).fill(frame(FRAME.settings, 0, 0))), 1_000)));

  it("for a flood of empty DATA frames", () =>
    attack(async ({ socket, flood }) => {
      socket.write(frame(FRAME.headers, FLAG.endHeaders, 1, block));
      await flood(Buffer.concat(Array(100).fill(frame(FRAME.data, 0, 1))), 1_000);
    }));

  it.each([
    ["GOAWAY", frame(7, 0, 0, Buffer.alloc(8))],
    ["acknowledgements of SETTINGS", frame(FRAME.settings, FLAG.ack, 0)],
    ["answers to no PING", frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8))],
    ["PRIORITY", frame(2, 0, 9, Buffer.alloc(5))],
    ["frames of an unknown type", frame(0x16, 0, 0)],
    ["resets of a stream that is over", frame(FRAME.reset, 0, 1, uint32(8))],
  ])("for a flood of %s (A7)", (_, bytes) =>
    attack(async ({ socket, flood }) => {
      socket.write(frame(FRAME.headers, FLAG.endHeaders, 1, block));
      await flood(Buffer.concat(Array(100).fill(bytes)), 10_000);
    }),
  );

  it("for a window that overflows", () =>
    attack(({ socket }) => {
      socket.write(frame(FRAME.windowUpdate, 0, 0, uint32(0x7fff_ffff)));
      socket.write(frame(FRAME.windowUpdate, 0, 0, uint32(0x7fff_ffff)));
    }));

  it("for headers that HPACK cannot read", () =>
    attack(({ socket }) => {
      socket.write(
        frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, Buffer.from([0xff, 0xff, 0xff, 0xff])),
      );
    }));

  it("for SETTINGS with too many entries", () =>
    attack(({ socket }) => {
      socket.write(
        frame(FRAME.settings, 0, 0, Buffer.concat(Array(100).fill(Buffer.from([0, 3, 0, 0, 0, 1])))),
      );
    }));

  it("for a frame beyond the agreed size", () =>
    attack(({ socket }) => {
      socket.write(frame(FRAME.data, 0, 1, Buffer.alloc(1 << 20)));
    }));

  it("for bytes of HTTP/1.1", () =>
    attack(({ socket }) => {
      socket.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    }, false));

  it("for a preface and nothing after it", () =>
    attack(({ socket }) => {
      socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    }, false));

  it("for sending nothing at all", () => attack(() => {}, false));
});

describe("A9: 63 KiB of headers before SETTINGS are acknowledged", () => {
  it("reset their stream, whatever the method, and the connection goes on", async () => {
    const { running } = survivor();
    for (const path of ["/meshcache.v1.CacheService/Get", "/x"]) {
      const { socket } = await connectSocket(running.port);
      const received: Buffer[] = [];
      socket.on("data", (chunk: Buffer) => received.push(chunk));
      const fields = Array.from({ length: 2 }, (_, n) => headerBlock({ [`x-${n}`]: "v".repeat(126) }));
      const long = Buffer.concat([
        headerBlock({ ...CALL_HEADERS, ":path": path }),
        ...fields,
        ...longFields(55),
      ]);
      for (let at = 0; at < long.length; at += 16_384) {
        const type = at === 0 ? FRAME.headers : FRAME.continuation;
        const isLast = at + 16_384 >= long.length;
        socket.write(frame(type, isLast ? FLAG.endHeaders : 0, 1, long.subarray(at, at + 16_384)));
      }
      socket.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8, 7)));
      const reset = frame(FRAME.reset, 0, 1, uint32(11));
      const pong = frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8, 7));
      await eventually(() => expect(Buffer.concat(received).includes(reset)).toBe(true));
      await eventually(() => expect(Buffer.concat(received).includes(pong)).toBe(true));
      socket.destroy();
    }
  });
});

/** Headers of 1,100 bytes each, as literals. */
function longFields(count: number): Buffer[] {
  return Array.from({ length: count }, (_, n) =>
    encodeHeaders({ [`y-${n % 8}`]: "v".repeat(1_062) }).subarray(1),
  );
}

describe("connections beyond the cap", () => {
  it("are closed at once, and those within it are served", async () => {
    const { running } = survivor();
    const { client, port } = running;
    const connections = async () => (await client.unary(AdminService.method.stats, {})).connections;
    await client.ready(5_000);
    const idle = await Promise.all(Array.from({ length: 80 }, () => connectSocket(port)));
    await Promise.any(idle.map(({ closed }) => closed));
    expect(await connections()).toBeLessThanOrEqual(60n);
    for (const { socket } of idle) socket.destroy();
    await eventually(async () => expect(await connections()).toBeLessThan(20n));
  });
});
