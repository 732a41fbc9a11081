/** The process of a client of a remote cache: fills the cache, and loads it in a closed or an open loop. */
import { createKeys, createValues, type Keys, packKeys } from "../keyspace.ts";
import { answerCalls } from "../process/worker.ts";
import {
  type ClientSecurity,
  connectRemoteCache,
  type RemoteCache,
  type RemoteClientName,
} from "../remote-cache.ts";
import { type ClosedLoopShape, type ClosedLoopWindow, runClosedLoop } from "./closed-loop.ts";
import { countHandshakes, type HandshakeCount, type HandshakeShape } from "./handshakes.ts";
import { type OpenLoopShape, type OpenLoopWindow, runOpenLoop } from "./open-loop.ts";

let cache: RemoteCache | undefined;
let packedKeys: Keys = packKeys(0);
/**
 * The keys of a closed loop, created in advance. An open loop does not keep them, because full collections
 * would mark them.
 */
let madeKeys: readonly string[] | undefined;
let valueBytes = 0;

const idle: RemoteCache[] = [];
const CONNECTED_AT_ONCE = 20;

const FILL_CHUNK_BYTES = 256 * 1024;
const FILL_CHUNK_MAX = 500;

const handlers = {
  async connect(client: RemoteClientName, address: string, security?: ClientSecurity): Promise<void> {
    cache = await connectRemoteCache(client, address, security);
  },

  /** Opens further connections, which stay open and do nothing. Each has answered once. */
  async connectIdle(client: RemoteClientName, address: string, count: number, ca?: string): Promise<void> {
    for (let from = 0; from < count; from += CONNECTED_AT_ONCE) {
      const size = Math.min(CONNECTED_AT_ONCE, count - from);
      const opened = await Promise.all(
        Array.from({ length: size }, () => connectRemoteCache(client, address, { ca })),
      );
      await Promise.all(opened.map((one) => one.get("k")));
      idle.push(...opened);
    }
  },

  handshakes: (shape: HandshakeShape): Promise<HandshakeCount> => countHandshakes(shape),

  /** Sets every key once. */
  async fill(count: number, bytes: number, seed: number): Promise<void> {
    const connected = connection();
    packedKeys = packKeys(count);
    madeKeys = undefined;
    valueBytes = bytes;
    const makeValue = createValues(bytes, seed);
    const chunk = Math.max(1, Math.min(FILL_CHUNK_MAX, Math.floor(FILL_CHUNK_BYTES / bytes)));
    for (let from = 0; from < count; from += chunk) {
      const size = Math.min(chunk, count - from);
      await Promise.all(
        Array.from({ length: size }, (_, offset) =>
          connected.set(packedKeys.at(from + offset), makeValue(from + offset)),
        ),
      );
    }
  },

  closedLoop(shape: ClosedLoopShape): Promise<ClosedLoopWindow> {
    madeKeys ??= createKeys(packedKeys.count);
    return runClosedLoop(connection(), madeKeys, valueBytes, shape);
  },

  openLoop(shape: OpenLoopShape): Promise<OpenLoopWindow> {
    madeKeys = undefined;
    return runOpenLoop(connection(), packedKeys, shape);
  },

  close: (): Promise<void> => connection().close(),
};

function connection(): RemoteCache {
  if (cache === undefined) throw new Error("not connected");
  return cache;
}

export type RemoteLoad = typeof handlers;

answerCalls(handlers);
