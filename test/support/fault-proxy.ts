/** A TCP proxy in this process that makes a network bad: late, in slices, reset, or swallowing everything. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Faults {
  /** Each chunk is held back for so long. Default 0. */
  latencyMs: number;
  /** Chunks are cut into pieces of so many bytes, written apart. 0: not at all. */
  sliceBytes: number;
  /** Bytes go nowhere, in both directions, and nobody is told: a half-open connection. */
  blackhole: boolean;
}

export interface FaultProxy extends AsyncDisposable {
  readonly address: string;
  /** May be changed at any time; what is under way keeps what it had. */
  readonly faults: Faults;
  /** Connections so far. */
  readonly connections: number;
  /** Resets every connection that is open (RST). */
  reset(): void;
  /** Where new connections go. */
  target: string;
}

export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const faults: Faults = { latencyMs: 0, sliceBytes: 0, blackhole: false };
  const open = new Set<Socket>();
  let connections = 0;

  const server = createServer({ noDelay: true }, (near) => {
    connections += 1;
    const [host = "", port = ""] = proxy.target.split(":");
    const far = connect({ host, port: Number(port), noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      const pipe = createPipe(to, faults);
      from.on("data", pipe);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  const proxy: FaultProxy = {
    address: `127.0.0.1:${port}`,
    faults,
    target,
    get connections() {
      return connections;
    },
    reset() {
      for (const socket of open) socket.resetAndDestroy();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

/** Writes what it gets, with the faults of that moment and in order. */
function createPipe(to: Socket, faults: Faults): (chunk: Buffer) => void {
  let last: Promise<void> = Promise.resolve();
  const write = async (chunk: Buffer, { latencyMs, sliceBytes }: Faults): Promise<void> => {
    if (latencyMs > 0) await delay(latencyMs);
    const step = sliceBytes > 0 ? sliceBytes : chunk.length;
    for (let from = 0; from < chunk.length; from += step) {
      if (to.destroyed) return;
      to.write(chunk.subarray(from, from + step));
      if (sliceBytes > 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return (chunk) => {
    if (faults.blackhole) return;
    const now = { ...faults };
    last = last.then(() => write(chunk, now));
  };
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
