/** A proxy between a client and a server that mutates the frames of both directions. */
import type { Socket } from "node:net";
import { createSeededRng, type Rng } from "../../src/common/random.ts";
import { PREFACE } from "../../src/http2/frame.ts";
import { connectToServer, createPlainOrTlsServer } from "../support/test-tls.ts";
import { FrameCutter, toBytes } from "./frames.ts";
import { mutate } from "./mutations.ts";

/** Share of the chunks whose frames are mutated. */
const MUTATED_SHARE = 0.05;

export interface MutatingProxy {
  readonly port: number;
  readonly connections: number;
  close(): void;
}

export async function startMutatingProxy(serverPort: number, seed: number): Promise<MutatingProxy> {
  const rng = createSeededRng(seed);
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createPlainOrTlsServer((client) => {
    connections += 1;
    const upstream = connectToServer(serverPort).socket;
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
    passOn(client, upstream, rng, PREFACE.length);
    passOn(upstream, client, rng, 0);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP address");
  return {
    port: address.port,
    get connections() {
      return connections;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** `plainBytes`: bytes before the first frame. They are forwarded unchanged. */
function passOn(from: Socket, to: Socket, rng: Rng, plainBytes: number): void {
  const cutter = new FrameCutter();
  let plainLeft = plainBytes;
  from.on("data", (chunk: Buffer) => {
    const plain = chunk.subarray(0, plainLeft);
    plainLeft -= plain.length;
    if (plain.length > 0) to.write(plain);
    const frames = cutter.push(chunk.subarray(plain.length));
    const passed = frames.length > 0 && rng.fraction() < MUTATED_SHARE ? mutate(frames, rng) : frames;
    if (passed.length > 0) to.write(Buffer.concat(passed.map(toBytes)));
  });
}
