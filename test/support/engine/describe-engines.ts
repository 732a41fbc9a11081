/** Tests that run against each engine of the shared tier that is installed. With `TIER_ENGINES=required` each must be. */
import { afterAll, beforeAll, describe } from "vitest";
import { EngineCluster } from "./engine-cluster.ts";
import type { EngineProcess } from "./engine-process.ts";
import { ENGINES, type Engine, requireEngine } from "./programs.ts";
import type { RespConnection } from "./resp-connection.ts";

/** For its tests and hooks: a cluster that begins with the suite and ends with it. */
export interface SuiteEngine {
  readonly engine: Engine;
  readonly cluster: EngineCluster;
  /** The first primary. */
  readonly node: EngineProcess;
  /** To the first primary. */
  readonly connection: RespConnection;
}

interface SuiteCluster {
  readonly primaries?: number;
  readonly replicas?: number;
}

/** `cluster`: default one primary alone. */
export function describeEngines(
  title: string,
  suite: (engine: SuiteEngine) => void,
  cluster: SuiteCluster = {},
): void {
  for (const engine of ENGINES) {
    describe.runIf(requireEngine(engine))(`${title}, on ${engine}`, () =>
      suite(startedWithSuite(engine, cluster)),
    );
  }
}

function startedWithSuite(engine: Engine, options: SuiteCluster): SuiteEngine {
  let started: Omit<SuiteEngine, "engine"> | undefined;
  const running = () => {
    if (started === undefined) throw new Error("the engine runs in tests and their hooks");
    return started;
  };
  beforeAll(async () => {
    const cluster = await EngineCluster.start({ engine, ...options });
    const [node] = cluster.nodes;
    if (node === undefined) throw new Error("a cluster has a node");
    started = { cluster, node, connection: await node.connect() };
  });
  afterAll(async () => {
    await started?.connection[Symbol.asyncDispose]();
    await started?.cluster[Symbol.asyncDispose]();
  });
  return {
    engine,
    get cluster() {
      return running().cluster;
    },
    get node() {
      return running().node;
    },
    get connection() {
      return running().connection;
    },
  };
}
