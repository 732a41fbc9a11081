/** The process of a remote cache's client: fills the cache and loads it in one of the two ways. */
import { createKeys, createValues, type Keys, packKeys } from "../keyspace.ts";
import { answerCalls } from "../process/worker.ts";
import { connectRemoteCache, type RemoteCache, type RemoteClientName } from "../remote-cache.ts";
import { type ClosedLoopShape, type ClosedLoopWindow, runClosedLoop } from "./closed-loop.ts";
import { type OpenLoopShape, type OpenLoopWindow, runOpenLoop } from "./open-loop.ts";

let cache: RemoteCache | undefined;
let packedKeys: Keys = packKeys(0);
/** Of a closed loop, which is to pay for none of them. An open loop lets go of them: it would pay for their marking. */
let madeKeys: readonly string[] | undefined;
let valueBytes = 0;

const fillChunkBytes = 256 * 1024;
const fillChunkMax = 500;

const handlers = {
  async connect(client: RemoteClientName, address: string): Promise<void> {
    cache = await connectRemoteCache(client, address);
  },

  /** Sets every entry once. */
  async fill(count: number, bytes: number, seed: number): Promise<void> {
    const connected = connection();
    packedKeys = packKeys(count);
    madeKeys = undefined;
    valueBytes = bytes;
    const makeValue = createValues(bytes, seed);
    const chunk = Math.max(1, Math.min(fillChunkMax, Math.floor(fillChunkBytes / bytes)));
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
