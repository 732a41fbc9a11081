/** Scenarios of the library on an engine: tests run them, and each planted bug has one that it fails. */
import type { EngineProcess } from "../../support/engine/engine-process.ts";
import type { RespConnection } from "../../support/engine/resp-connection.ts";
import { ShardDriver } from "../../support/engine/shard-driver.ts";

export interface ScenarioContext {
  readonly connection: RespConnection;
  /** Of a claimed shard with nothing in it. */
  readonly driver: ShardDriver;
  /** Another connection to the same engine, which ends with the scenario. */
  readonly open: () => Promise<RespConnection>;
  /** What is loaded, for who loads it again. */
  readonly library: string;
}

/** By their titles. */
export type Scenarios = Readonly<Record<string, (context: ScenarioContext) => Promise<void>>>;

/** Runs it on an empty shard of the engine, which has the library already. */
export async function runScenario(
  run: Scenarios[string] | undefined,
  node: EngineProcess,
  connection: RespConnection,
  library: string,
): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const open = async () => opened.use(await node.connect());
  if (run === undefined) throw new Error("there is no such scenario");
  await run({ connection, open, driver: await ShardDriver.empty(connection), library });
}
