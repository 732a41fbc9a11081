/** Attacks by many cheap messages in one read of a socket: frames of an Exchange, and unary calls. */
import { setTimeout as pause } from "node:timers/promises";
import { PREFACE, setting, settings } from "../../src/http2/frame.ts";
import { encodeHeaders } from "../../src/http2/hpack.ts";
import { connectRaw } from "../support/raw-grpc.ts";
import { CALL_HEADERS, connectSocket, FLAG, FRAME, frame } from "../support/raw-http2.ts";
import { type Attack, whileOpen } from "./attack.ts";
import * as request from "./requests.ts";

const { PATHS } = request;
const STREAM_FRAMES = 8_000;

/** Streams of Exchange on 4 connections, each with all of `frames` in one write. */
function exchangeFrames(name: string, about: string, frameOf: (id: bigint) => Buffer): Attack {
  return {
    name,
    line: "A4",
    about,
    async run(target) {
      const open = request.exchange({ id: 1n, frame: { case: "open", value: {} } });
      const frames = Array.from({ length: STREAM_FRAMES }, (_, index) => frameOf(BigInt(index + 2)));
      const body = Buffer.concat([open, ...frames]);
      await request.spread(4, 4, async () => {
        const raw = await connectRaw(target.address);
        await whileOpen(target, raw, () => raw.call(PATHS.exchange, body));
        raw.close();
      });
    },
  };
}

const pings = exchangeFrames("8,000 Pings in one read", "pings of one Exchange, on 4 connections", (id) =>
  request.exchange({ id, frame: { case: "ping", value: { nonce: id } } }),
);
const faultyFrames = exchangeFrames(
  "8,000 faulty frames in one read",
  "pings that are answered by errors, on 4 connections",
  (id) => request.exchange({ id, frame: { case: "ping", value: { nonce: 0n } } }),
);

/** HEADERS and DATA of calls, as many as a connection may have at once, in one write. */
function callsInOneRead(name: string, about: string, body: Buffer): Attack {
  const CALLS = 100;
  const headers = encodeHeaders({ ...CALL_HEADERS, ":path": PATHS.get });
  return {
    name,
    line: "A4",
    about,
    async run({ port, over }) {
      await request.spread(8, 8, async () => {
        while (!over.aborted) {
          const { socket, closed } = await connectSocket(port, false);
          over.addEventListener("abort", () => socket.destroy(), { once: true });
          let answered = () => {};
          socket.on("data", () => answered());
          socket.write(Buffer.concat([PREFACE, settings([[setting.headerTableSize, 0]])]));
          for (let first = 1; first < 2 ** 20 && socket.writable && !over.aborted; first += 2 * CALLS) {
            const frames = Array.from({ length: CALLS }, (_, call) => [
              frame(FRAME.headers, FLAG.endHeaders, first + 2 * call, headers),
              frame(FRAME.data, FLAG.endStream, first + 2 * call, body),
            ]);
            socket.write(Buffer.concat(frames.flat()));
            const answer = new Promise<void>((resolve) => {
              answered = resolve;
            });
            await Promise.race([answer, closed, pause(50)]);
          }
          socket.destroy();
        }
      });
    },
  };
}

const manyCalls = callsInOneRead(
  "100 Gets in one read",
  "Gets of a key that is not there, on 8 connections",
  request.get("a4-calls", "k"),
);
const faultyCalls = callsInOneRead(
  "100 faulty Gets in one read",
  "Gets without a key, on 8 connections",
  request.get("a4-calls", ""),
);

export const frameAttacks: readonly Attack[] = [pings, faultyFrames, manyCalls, faultyCalls];
