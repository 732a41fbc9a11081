/** Header blocks without a dynamic table, compared with what nghttp2 writes and reads. */

import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Http2Connection } from "../../src/client/transport/http2-connection.ts";
import { HeaderDecoder } from "../../src/http2/header-decoder.ts";
import { encodeHeaders, type Headers, toHeaders } from "../../src/http2/hpack.ts";
import { decodeHuffman } from "../../src/http2/huffman.ts";
import { loudBoundary } from "../support/loud-boundary.ts";

const server = createServer();
let port = 0;
/** The server's side of the next stream. */
let opened: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void = () => {};
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  opened(stream, headers);
});

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address !== null && typeof address !== "string") port = address.port;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const LIMITS = { maxBytes: 64 * 1024, maxPairs: 1_000 };
const decode = (block: Uint8Array) => new HeaderDecoder(LIMITS, 0).decode(block);
const REQUEST = { ":authority": "a", ":method": "POST", ":scheme": "http", ":path": "/" };

function decoded(block: Uint8Array): Headers {
  const fields = decode(block);
  if (typeof fields === "string") throw new Error(fields);
  return toHeaders(fields);
}

/** What each side receives of a call with these headers and trailers. */
async function exchange(request: Headers, trailers: Headers) {
  const atServer = new Promise<IncomingHttpHeaders>((resolve) => {
    opened = (stream, headers) => {
      resolve(headers);
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      stream.end();
    };
  });
  const received: Headers[] = [];
  await new Promise<void>((resolve, reject) => {
    const connection = new Http2Connection(
      {
        host: "127.0.0.1",
        port,
        headers: { ...REQUEST, ...request },
        tls: undefined,
        windowBytes: 65_536,
        sendQueueMaxBytes: 65_536,
        boundary: loudBoundary,
      },
      {
        data: () => {},
        drained: () => {},
        goesAway: () => {},
        closed: reject,
        headers: (headers) => {
          received.push(headers);
          if (received.length === 2) {
            connection.destroy();
            resolve();
          }
        },
      },
    );
  });
  return { atServer: await atServer, received };
}

const name = fc.stringMatching(/^x-[a-z0-9_.-]{1,20}$/);
/** Visible characters, with spaces between them. */
const value = fc.oneof(
  fc.stringMatching(/^[!-~]([ -~]{0,150}[!-~])?$/),
  fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString("base64")),
);

describe("header blocks", () => {
  it("are read by nghttp2 as they were written, and the other way round", async () => {
    const headers = fc.dictionary(name, value, { minKeys: 1, maxKeys: 6 });
    await fc.assert(
      fc.asyncProperty(headers, headers, async (request, trailers) => {
        const { atServer, received } = await exchange(request, trailers);
        expect(atServer).toMatchObject(request);
        expect(received[0]).toMatchObject({ ":status": "200" });
        expect({ ...received[1] }).toEqual(trailers);
      }),
      { numRuns: 150 },
    );
  });

  it("come back as they were written", () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ unit: "grapheme-ascii" }),
          fc.string({ unit: "grapheme-ascii", maxLength: 400 }),
          { noNullPrototype: true },
        ),
        (headers) => {
          expect(decoded(encodeHeaders(headers))).toEqual(Object.assign(Object.create(null), headers));
        },
      ),
    );
  });

  it("are read with indexed names and values, and a table that has no room", () => {
    const literal = (text: string) => Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);
    const block = Buffer.concat([
      Buffer.of(0x20), // The table is empty from here on.
      Buffer.of(0x88), // :status 200
      Buffer.of(0x5f, ...literal("application/grpc")), // content-type, to be put into the table
      Buffer.of(0x0f, 0x28, ...literal("c=1")), // set-cookie, to be put into none
      Buffer.of(0x10, ...literal("x"), ...literal("never to be indexed")),
    ]);
    expect({ ...decoded(block) }).toEqual({
      ":status": "200",
      "content-type": "application/grpc",
      "set-cookie": "c=1",
      x: "never to be indexed",
    });
  });

  it.each([
    ["an index of the table that there is not", [0xbe]],
    ["the index 0", [0x80]],
    ["a table that is larger than at the beginning", [0x3f, 0xe2, 0x1f]],
    ["a table size behind a header", [0x88, 0x20]],
    ["a text that is cut", [0x00, 0x05, 0x61]],
    ["an integer without an end", [0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ["an integer that is cut", [0x7f, 0x80]],
    ["a coded text with the end of a string in it", [0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00]],
    ["a coded text with too much padding", [0x00, 0x82, 0x1f, 0xff, 0x00]],
  ])("with %s are refused", (_, bytes) => {
    expect(decode(Buffer.from(bytes))).toBe("malformed");
  });

  it("of any bytes are read or refused", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => void decode(bytes)));
  });
});

describe("decodeHuffman()", () => {
  // RFC 7541, appendix C.
  it.each([
    ["f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"],
    ["a8eb10649cbf", "no-cache"],
    ["25a849e95bb8e8b4bf", "custom-value"],
    ["9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"],
    ["d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"],
  ])("reads %s", (bytes, text) => {
    expect(decodeHuffman(Buffer.from(bytes, "hex"))).toBe(text);
  });
});
