/** Differential runs of random commands, from a seed. A failure names the seed, and the fewest commands that still fail. */
import * as fc from "fast-check";
import type { RespConnection } from "../../support/engine/resp-connection.ts";
import { commandLists, type StoreCommand } from "../../support/store-commands.ts";
import { DifferentialRun } from "./differential.ts";

export interface RandomRuns {
  readonly runs: number;
  readonly commandsPerRun: number;
  readonly seed: number;
  /** Looks for the fewest commands that fail. Default true. */
  readonly shrink?: boolean;
}

/** Of what the runs have seen, how often. Throws an Error that says how to replay the first run that differs. */
export async function compareRandomly(
  connection: RespConnection,
  { runs, commandsPerRun, seed, shrink = true }: RandomRuns,
): Promise<ReadonlyMap<string, number>> {
  const seen = new Map<string, number>();
  let endMs = 0;
  const failureOf = async (commands: readonly StoreCommand[]): Promise<unknown> => {
    const run = await DifferentialRun.begin(connection, endMs);
    try {
      for (const command of commands) await run.do(command);
      await run.finish();
    } catch (error) {
      return error;
    } finally {
      endMs = run.nowMs;
    }
    for (const [outcome, times] of run.seen) seen.set(outcome, (seen.get(outcome) ?? 0) + times);
    return undefined;
  };
  // The lists of a seed are those of its runs one by one: any of them can be replayed alone.
  for (let index = 0; index < runs; index++) {
    const [commands = []] = fc.sample(commandLists(commandsPerRun), { numRuns: 1, seed: seed + index });
    const failure = await failureOf(commands);
    if (failure === undefined) continue;
    if (!shrink) throw failure;
    const fewest = await fewestThatFail(commands, async (some) => (await failureOf(some)) !== undefined);
    const listed = fewest.map((command) => JSON.stringify(command, (_, value) => asText(value))).join("\n");
    throw new Error(
      `seed ${seed + index}: FC_SEED=${seed + index} replays it. These commands fail:\n${listed}`,
      {
        cause: await failureOf(fewest),
      },
    );
  }
  return seen;
}

/** Leaves out commands as long as it still fails: halves first, then ever smaller parts. */
async function fewestThatFail(
  commands: readonly StoreCommand[],
  fails: (some: readonly StoreCommand[]) => Promise<boolean>,
): Promise<readonly StoreCommand[]> {
  let left = commands;
  for (let part = Math.ceil(left.length / 2); part > 0; part = Math.floor(part / 2)) {
    for (let begin = 0; begin < left.length; ) {
      const fewer = left.toSpliced(begin, part);
      if (await fails(fewer)) left = fewer;
      else begin += part;
    }
  }
  return left;
}

function asText(value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}
