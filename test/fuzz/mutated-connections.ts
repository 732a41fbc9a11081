/**
 * Mutated connections to a server: each is a recording that is mutated by its seed, written in pieces and
 * then ended.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { createSeededRng, type Rng } from "../../src/common/random.ts";
import { PREFACE } from "../../src/http2/frame.ts";
import { toBytes } from "./frames.ts";
import { below, mutate, pick } from "./mutations.ts";
import { recordings } from "./recordings.ts";

/** How long a connection may last that the server does not end. */
const CONNECTION_MAX_MS = 300;
const PIECES_MAX = 6;

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
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  // The server may end the connection as it likes.
  socket.on("error", () => {});
  if (deaf) socket.pause();
  else socket.resume();
  for (const piece of pieces) {
    if (!socket.writable) break;
    socket.write(piece);
    if (pieces.length > 1) await pause(1);
  }
  await endConnection(socket, ending, closed);
}

async function endConnection(socket: Socket, ending: Ending, closed: Promise<void>): Promise<void> {
  if (ending === "end") socket.end();
  if (ending === "reset") socket.write("", () => socket.resetAndDestroy());
  await Promise.race([closed, pause(CONNECTION_MAX_MS, undefined, { ref: false })]);
  socket.destroy();
  await closed;
}
