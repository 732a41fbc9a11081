/**
 * A load of Gets over many connections: `node load-process.ts KIND PORT SECONDS CONNECTIONS RATE`. KIND is `unary`, with a
 * deadline, or `exchange`, where late answers are not counted either. RATE is
 * what is offered in a second, by the clock, whatever the server does; 0 keeps some calls of each connection in flight
 * instead. Prints how many were answered in time and how, and the CPU that this took.
 *
 * The frames are made once and written to sockets as they are: a client library would cost more than the server.
 */
import type { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { PREFACE, setting, settings } from "../../src/http2/frame.ts";
import { encodeHeaders } from "../../src/http2/hpack.ts";
import { FLAG, FRAME, frame, uint32 } from "../support/raw-http2.ts";
import { connectToServer } from "../support/test-tls.ts";
import { ExchangeLoad } from "./exchange-load.ts";
import * as request from "./requests.ts";

const kind = process.argv[2];
const [port = 0, seconds = 0, connections = 0, rate = 0] = process.argv.slice(3).map(Number);
const DEADLINE_MS = 250;
const IN_FLIGHT_MAX = 250;
/** Enough to keep the server busy: an Exchange answers many at once. */
const CLOSED_IN_FLIGHT = kind === "exchange" ? 64 : 4;
const TICK_MS = 2;
/** An overloaded server needs some time to notice. What happens meanwhile is not counted. */
const WARM_UP_S = rate > 0 ? 3 : 0.5;
const HEAD_BYTES = 9;

const block = encodeHeaders({
  ":method": "POST",
  ":scheme": "http",
  ":path": request.PATHS.get,
  ":authority": "load",
  "content-type": "application/grpc",
  te: "trailers",
  "grpc-timeout": `${DEADLINE_MS}m`,
});
const body = request.get("polite", "key");
const counts = { inTime: 0, late: 0, refused: 0, unsent: 0 };

class UnaryLoad {
  readonly #socket: Socket;
  readonly #dueMs = new Map<number, number>();
  readonly #answered = new Set<number>();
  #nextId = 1;
  /** What the server allows. */
  #most = IN_FLIGHT_MAX;
  #rest: Buffer = Buffer.alloc(0);

  constructor() {
    this.#socket = connectToServer(port).socket;
    this.#socket.on("error", () => {});
    this.#socket.write(Buffer.concat([PREFACE, settings([[setting.headerTableSize, 0]])]));
    this.#socket.write(frame(FRAME.windowUpdate, 0, 0, uint32(2 ** 30)));
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
  }

  get room(): number {
    return Math.max(0, Math.min(this.#most, IN_FLIGHT_MAX) - this.#dueMs.size);
  }

  /** Sends one call for each of these times. */
  send(dueMs: readonly number[]): void {
    const frames: Buffer[] = [];
    for (const due of dueMs) {
      this.#dueMs.set(this.#nextId, due);
      frames.push(
        frame(FRAME.headers, FLAG.endHeaders, this.#nextId, block),
        frame(FRAME.data, FLAG.endStream, this.#nextId, body),
      );
      this.#nextId += 2;
    }
    if (frames.length > 0) this.#socket.write(Buffer.concat(frames));
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at + HEAD_BYTES <= bytes.length) {
      const end = at + HEAD_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.#take(
        bytes[at + 3] ?? 0,
        bytes[at + 4] ?? 0,
        bytes.readUInt32BE(at + 5),
        bytes.subarray(at + HEAD_BYTES, end),
      );
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }

  #take(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === FRAME.settings && (flags & FLAG.ack) === 0) {
      for (let at = 0; at + 6 <= payload.length; at += 6) {
        if (payload.readUInt16BE(at) === setting.maxConcurrentStreams)
          this.#most = payload.readUInt32BE(at + 2);
      }
      this.#socket.write(frame(FRAME.settings, FLAG.ack, 0));
    } else if (type === FRAME.ping && (flags & FLAG.ack) === 0) {
      this.#socket.write(frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8)));
    } else if (type === FRAME.data) this.#answered.add(id);
    if (type === FRAME.reset || (type === FRAME.headers && (flags & FLAG.endStream) !== 0)) this.#end(id);
  }

  #end(id: number): void {
    const due = this.#dueMs.get(id);
    if (due === undefined) return;
    this.#dueMs.delete(id);
    if (!this.#answered.delete(id)) counts.refused += 1;
    else if (performance.now() - due <= DEADLINE_MS) counts.inTime += 1;
    else counts.late += 1;
    if (rate === 0) this.send([performance.now()]);
  }
}

function exchangeLoad(): ExchangeLoad {
  const answered = (due: number, isHit: boolean): void => {
    if (!isHit) counts.refused += 1;
    else if (performance.now() - due <= DEADLINE_MS) counts.inTime += 1;
    else counts.late += 1;
    if (rate === 0) load.send([performance.now()]);
  };
  const load = new ExchangeLoad({ port, inFlightMax: IN_FLIGHT_MAX, deadlineMs: DEADLINE_MS, answered });
  return load;
}

const opened = Array.from({ length: connections }, () =>
  kind === "exchange" ? exchangeLoad() : new UnaryLoad(),
);
await pause(500);
if (rate === 0)
  for (const connection of opened) connection.send(Array(CLOSED_IN_FLIGHT).fill(performance.now()));
await offer(WARM_UP_S);
Object.assign(counts, { inTime: 0, late: 0, refused: 0, unsent: 0 });
const before = process.cpuUsage();
const beganMs = performance.now();
await offer(seconds);
const tookS = (performance.now() - beganMs) / 1_000;
const { user, system } = process.cpuUsage(before);
for (const connection of opened) connection.close();
const result = {
  goodPerSecond: counts.inTime / tookS,
  ...counts,
  cpuShare: (user + system) / 1e6 / tookS,
};
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

/** Sends what is due, for so long. Calls for which no connection has room are not sent. */
async function offer(durationS: number): Promise<void> {
  const beginMs = performance.now();
  let offered = 0;
  for (let nowMs = beginMs; nowMs - beginMs < 1_000 * durationS; nowMs = performance.now()) {
    const due = Math.floor(((nowMs - beginMs) * rate) / 1_000);
    const share = Math.ceil((due - offered) / connections);
    for (const connection of opened) {
      const count = Math.min(share, due - offered);
      offered += count;
      const sent = Math.min(count, connection.room);
      counts.unsent += count - sent;
      connection.send(Array(sent).fill(nowMs));
    }
    await pause(TICK_MS);
  }
}
