/**
 * Mutated connections to a server: each is a recording that is mutated by its seed, written in pieces and
 * then ended. Over TLS the bytes that encrypt it are mutated too, on some of them.
 */
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { createSeededRng, type Rng } from "../../src/common/random.ts";
import { PREFACE } from "../../src/http2/frame.ts";
import { testSecrets, testTls } from "../support/test-tls.ts";
import { toBytes } from "./frames.ts";
import { below, mutate, pick, randomBytes } from "./mutations.ts";
import { recordings } from "./recordings.ts";

/** How long a connection may last that the server does not end. */
const CONNECTION_MAX_MS = 300;
const PIECES_MAX = 6;
/** Share of the connections over TLS whose encrypted bytes are mutated, and share of their writes. */
const BROKEN_TLS_SHARE = 0.2;
const BROKEN_WRITES_SHARE = 0.3;

/** So that what is done to the encrypted bytes does not depend on what is done to the frames. */
const TLS_SEED = 0x7155;

type Ending = "end" | "reset" | "wait";

interface Plan {
  readonly pieces: readonly Buffer[];
  readonly ending: Ending;
  /** Leaves the answers unread. */
  readonly deaf: boolean;
}

export function planConnection(seed: number): Plan {
  const rng = createSeededRng(seed);
  const frames = mutate(pick(rng, recordings), rng);
  const bytes = Buffer.concat([PREFACE, ...frames.map(toBytes)]);
  const cut = rng.fraction() < 0.1 ? bytes.subarray(0, below(rng, bytes.length)) : bytes;
  return {
    pieces: cutInPieces(cut, rng),
    ending: pick(rng, ["end", "reset", "wait"] as const),
    deaf: rng.fraction() < 0.1,
  };
}

/** One piece in half of the cases: the server reads one segment in one turn of the event loop. */
function cutInPieces(bytes: Buffer, rng: Rng): Buffer[] {
  if (rng.fraction() < 0.5) return [bytes];
  const cuts = Array.from({ length: below(rng, PIECES_MAX) }, () => below(rng, bytes.length)).sort(
    (a, b) => a - b,
  );
  return [0, ...cuts].map((from, index) => bytes.subarray(from, cuts[index] ?? bytes.length));
}

export async function runConnection(port: number, seed: number): Promise<void> {
  const { pieces, ending, deaf } = planConnection(seed);
  const carrier = connect({ port, host: "127.0.0.1", noDelay: true });
  const closed = new Promise<void>((resolve) => carrier.once("close", () => resolve()));
  // The server may end the connection as it likes.
  carrier.on("error", () => {});
  const socket = testTls === undefined ? carrier : encrypt(carrier, createSeededRng(seed ^ TLS_SEED));
  if (deaf) socket.pause();
  else socket.resume();
  for (const piece of pieces) {
    if (!socket.writable) break;
    socket.write(piece);
    if (pieces.length > 1) await pause(1);
  }
  if (ending === "end") socket.end();
  if (ending === "reset") socket.write("", () => carrier.resetAndDestroy());
  await Promise.race([closed, pause(CONNECTION_MAX_MS, undefined, { ref: false })]);
  socket.destroy();
  carrier.destroy();
  await closed;
}

function encrypt(carrier: Socket, rng: Rng): Socket {
  const over = rng.fraction() < BROKEN_TLS_SHARE ? breakWrites(carrier, rng) : carrier;
  const socket = connectTls({ socket: over, host: "127.0.0.1", ALPNProtocols: ["h2"], ...testSecrets });
  socket.on("error", () => {});
  return socket;
}

/** A socket of which some writes are mutated: in the handshake, and in what is encrypted. */
function breakWrites(carrier: Socket, rng: Rng): Duplex {
  const broken = new Duplex({
    read: () => carrier.resume(),
    write(chunk: Buffer, _encoding, done) {
      carrier.write(rng.fraction() < BROKEN_WRITES_SHARE ? breakBytes(chunk, rng) : chunk, () => done());
    },
    final: (done) => carrier.end(done),
    destroy(error, done) {
      carrier.destroy();
      done(error);
    },
  });
  broken.on("error", () => {});
  carrier.on("data", (chunk) => {
    if (!broken.push(chunk)) carrier.pause();
  });
  carrier.on("end", () => broken.push(null));
  carrier.on("close", () => broken.destroy());
  return broken;
}

/** Bits flipped, bytes put in, the end cut off, or all of it twice. */
function breakBytes(chunk: Buffer, rng: Rng): Buffer {
  const at = below(rng, chunk.length);
  const from = (offset: number) => chunk.subarray(offset);
  const head = chunk.subarray(0, at);
  return pick(rng, [
    () => Buffer.concat([head, Buffer.of((chunk[at] ?? 0) ^ (1 << below(rng, 8))), from(at + 1)]),
    () => Buffer.concat([head, randomBytes(rng, 64), from(at)]),
    () => head,
    () => Buffer.concat([chunk, chunk]),
  ])();
}
