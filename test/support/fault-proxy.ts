/** A TCP proxy in this process that delays, divides, resets or swallows the traffic. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Faults {
  /** Delays each chunk. Default 0. */
  latencyMs: number;
  /** Divides chunks into pieces of this size, written one by one. 0: chunks are not divided. */
  sliceBytes: number;
  /** Drops all bytes in both directions without closing anything: a half-open connection. */
  blackhole: boolean;
}

export interface FaultProxy extends AsyncDisposable {
  readonly address: string;
  /** May be changed at any time. Bytes that are under way keep their old faults. */
  readonly faults: Faults;
  /** How many connections there have been. */
  readonly connections: number;
  /** Resets every open connection (RST). */
  reset(): void;
  /** From now on swallows what clients send on the connections that are open. What servers send, and new connections, pass. */
  swallowRequests(): void;
  /** The port that new connections are forwarded to. */
  target: string;
}

export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const faults: Faults = { latencyMs: 0, sliceBytes: 0, blackhole: false };
  const open = new Set<Socket>();
  /** Of open connections: the ends of clients. */
  const swallowed = new WeakSet<Socket>();
  const clients = new Set<Socket>();
  let connections = 0;

  const server = createServer({ noDelay: true }, (near) => {
    connections += 1;
    clients.add(near);
    near.on("close", () => clients.delete(near));
    const [host = "", port = ""] = proxy.target.split(":");
    const far = connect({ host, port: Number(port), noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      const pipe = createPipe(to, faults);
      from.on("data", (chunk) => {
        if (!swallowed.has(from)) pipe(chunk);
      });
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
    swallowRequests() {
      for (const near of clients) swallowed.add(near);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

/** Forwards chunks in order, each with the faults at the time of its arrival. */
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
