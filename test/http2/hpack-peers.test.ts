/** The decoder with a dynamic table, against what clients of node:http2 write, whose encoder is that of nghttp2. */
import { once } from "node:events";
import { connect, sensitiveHeaders } from "node:http2";
import { createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSeededRng } from "../../src/common/random.ts";
import { flag, frame, frameType, headerFrames, PREFACE, setting, settings } from "../../src/http2/frame.ts";
import { type FrameHead, FrameParser } from "../../src/http2/frame-parser.ts";
import { HeaderBlock, type HeaderBlockState } from "../../src/http2/header-block.ts";
import { encodeHeaders, type Headers, toHeaders } from "../../src/http2/hpack.ts";

const SEED = 20_261_201;
const TABLE_BYTES = 4_096;
const REQUESTS = 600;
const AT_ONCE = 10;
const NOTHING = Buffer.alloc(0);

interface Bounds {
  readonly maxPairs: number;
  readonly tableMaxBytes: number;
}
const BOUNDS: Bounds = { maxPairs: 1_000, tableMaxBytes: TABLE_BYTES };

/** Answers each request, and keeps its headers: a server that has only this decoder. */
class Reader {
  readonly requests = new Map<number, Headers>();
  readonly faults: string[] = [];
  readonly #socket: Socket;
  readonly #block: HeaderBlock;
  readonly #parser: FrameParser;
  #prefaceLeft = PREFACE.length;

  constructor(socket: Socket, { maxPairs, tableMaxBytes }: Bounds) {
    this.#socket = socket;
    this.#block = new HeaderBlock({ maxBytes: 64 * 1024, maxPairs }, tableMaxBytes);
    this.#parser = new FrameParser({
      dataBegins: () => {},
      data: () => {},
      dataEnds: () => {},
      frame: (head, body) => this.#frame(head, body),
      fault: ({ what }) => this.faults.push(what),
    });
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      const preface = Math.min(this.#prefaceLeft, bytes.length);
      this.#prefaceLeft -= preface;
      const frames = bytes.subarray(preface);
      this.#parser.read(frames, frames.length);
    });
    socket.write(settings([]));
  }

  announceTables(sizes: readonly number[]): void {
    for (const bytes of sizes) this.#socket.write(settings([[setting.headerTableSize, bytes]]));
  }

  #frame(head: FrameHead, body: Buffer): void {
    const { type, flags, streamId } = head;
    if (type === frameType.headers) this.#take(streamId, this.#block.begin(head, body));
    else if (type === frameType.continuation) this.#take(streamId, this.#block.continue(head, body));
    else if (type === frameType.settings && (flags & flag.ack) === 0) {
      this.#socket.write(frame(frameType.settings, flag.ack, 0, NOTHING));
    }
  }

  #take(streamId: number, state: HeaderBlockState): void {
    if (state.kind === "continues") return;
    if (state.kind === "whole") this.requests.set(streamId, toHeaders(state.fields));
    else this.faults.push(state.kind === "fault" ? state.fault.what : state.kind);
    const isFine = state.kind === "whole";
    this.#socket.write(
      headerFrames(streamId, encodeHeaders({ ":status": isFine ? 200 : 431 }), flag.endStream),
    );
  }
}

describe("header blocks of a client of node:http2", () => {
  const server = createServer({ noDelay: true });
  let port = 0;
  beforeEach(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address !== null && typeof address !== "string") port = address.port;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  /** Sends requests, `AT_ONCE` of them beside each other. `each` runs between these groups. */
  async function exchange(
    bounds: Bounds,
    requestOf: (index: number) => Headers,
    each: (reader: Reader) => void = () => {},
  ) {
    const connected = once(server, "connection");
    const session = connect(`http://127.0.0.1:${port}`);
    const [socket] = await connected;
    const reader = new Reader(socket, bounds);
    const sent = Array.from({ length: REQUESTS }, (_, index) => requestOf(index));
    for (let index = 0; index < REQUESTS; index += AT_ONCE) {
      each(reader);
      await Promise.all(
        sent.slice(index, index + AT_ONCE).map(async (headers) => {
          const request = session.request(
            { ...headers, [sensitiveHeaders]: ["authorization"] },
            { endStream: true },
          );
          request.resume();
          await once(request, "close");
        }),
      );
    }
    session.destroy();
    await once(session, "close");
    return { reader, sent };
  }

  const rng = createSeededRng(SEED);
  const below = (count: number) => Math.floor(rng.fraction() * count);
  const visible = (length: number) =>
    Array.from({ length }, () => String.fromCharCode(0x21 + below(0x7f - 0x21))).join("");

  /** Some fields of a client of gRPC that stay, and some that change. */
  function request(index: number): Headers {
    return {
      ":method": "POST",
      ":authority": "cache.example:7400",
      ":scheme": "http",
      ":path": `/package.Service/Method${below(12)}`,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "grpc-java-netty/1.80.0",
      "grpc-timeout": `${below(1_000)}m`,
      traceparent: `00-${visible(32)}-${index}-01`,
      [`x-often-${below(5)}`]: `v${below(3)}`,
      [`x-seldom-${below(500)}`]: visible(1 + below(60)),
      ...(below(50) === 0 ? { "x-long": visible(1_000 + below(20_000)) } : {}),
      authorization: `Bearer ${below(4)}`,
    };
  }

  function expectRead(reader: Reader, sent: readonly Headers[], isRead: (index: number) => boolean): void {
    for (const [index, headers] of sent.entries()) {
      const read = reader.requests.get(2 * index + 1);
      expect(read && { ...read }, `seed ${SEED}, request ${index}`).toEqual(
        isRead(index) ? headers : undefined,
      );
    }
  }

  it("are read as they were written, over hundreds of requests", async () => {
    const { reader, sent } = await exchange(BOUNDS, request);
    expect(reader.faults).toEqual([]);
    expectRead(reader, sent, () => true);
  });

  it("are read while the client is told of smaller tables, and of larger ones again", async () => {
    const { reader, sent } = await exchange(BOUNDS, request, (it) => {
      if (below(3) === 0) it.announceTables([below(600)]);
      if (below(3) === 0) it.announceTables([below(100), below(TABLE_BYTES)]);
      if (below(5) === 0) it.announceTables([0, 65_536]);
    });
    expect(reader.faults).toEqual([]);
    expectRead(reader, sent, () => true);
  });

  it("are read behind others that were too large", async () => {
    const isLarge = (index: number) => index % 4 === 0;
    const { reader, sent } = await exchange({ ...BOUNDS, maxPairs: 14 }, (index) => {
      const more = Array.from({ length: isLarge(index) ? 10 : 0 }, (_, n) => [`x-more-${n}`, `${below(9)}`]);
      return { ...request(index), ...Object.fromEntries(more) };
    });
    expect(reader.faults).toEqual(Array(REQUESTS / 4).fill("headers beyond their limits"));
    expectRead(reader, sent, (index) => !isLarge(index));
  });

  it("cannot be read without the table that their client uses", async () => {
    const { reader } = await exchange({ ...BOUNDS, tableMaxBytes: 0 }, request);
    expect(new Set(reader.faults)).toEqual(new Set(["headers that cannot be decoded"]));
  });
});
