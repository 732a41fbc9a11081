/** Convergence: after all faults and operations, every near cache agrees with the server and is used again. */
import type { ClientLife } from "./client-node.ts";
import type { History, Moment } from "./history.ts";
import type { Operations } from "./operations.ts";
import { type Origin, rowVersionOf } from "./origin.ts";
import type { Truth } from "./truth.ts";
import type { VirtualTime } from "./virtual-time.ts";
import { allKeys, originKeys, VERSIONED_KEY, type Workload } from "./workload.ts";

export interface ExamDeps {
  readonly time: VirtualTime;
  readonly history: History;
  readonly truth: Truth;
  readonly origin: Origin;
  readonly workload: Workload;
  readonly operations: Operations;
  readonly clients: readonly ClientLife[];
  /** When the source versions of before were last lost. */
  versionsLost(): Moment;
  /** When a store last began with a state from before. */
  undone(): Moment;
}

/** Longer than any answer takes without faults: twice the latency, with the jitter. */
const ANSWER_MAX_MS = 1_000;
/** A load may have to wait until the lease of a crashed process ends. */
const LOAD_MAX_MS = 5_000;

export async function examine(deps: ExamDeps): Promise<void> {
  const { time, clients, history } = deps;
  let open = clients.length;
  const finish = (): void => {
    open -= 1;
  };
  for (const client of clients) {
    examineClient(deps, client).then(finish, (error: unknown) => {
      history.violate("exam", error instanceof Error ? `${error.stack}` : String(error));
      finish();
    });
  }
  const deadlineMs = time.nowMs() + allKeys.length * 3 * ANSWER_MAX_MS + originKeys.length * LOAD_MAX_MS;
  await time.run(deadlineMs, () => open === 0);
  if (open > 0) history.violate("liveness", "the exam was not finished");
  examineOrigin(deps);
}

async function examineClient(deps: ExamDeps, client: ClientLife): Promise<void> {
  const { history, time, truth, workload } = deps;
  for (const key of allKeys) {
    // From whatever source, the first answer must be current: every earlier event has long arrived.
    const spell = truth.current(key);
    const begunMs = time.nowMs();
    const first = await workload.readEntry(client, key);
    if (first === undefined || time.nowMs() - begunMs > ANSWER_MAX_MS) {
      history.violate("converge", `${client.name} could not read ${key} though there are no faults`);
      continue;
    }
    // The exam of another client may have loaded the key just now, so that its event is still under way.
    const changed = truth.current(key) !== spell || begunMs - spell.from.atMs < ANSWER_MAX_MS;
    const fresh = spell.held !== undefined && !spell.soft && begunMs < spell.freshUntilMs;
    const version = first.kind === "miss" ? 0 : first.version?.revision;
    if (!changed && first.source === "near" && version !== (fresh ? spell.held?.version : 0)) {
      // An entry of a near cache ends its TTL no later than that of the server, and then the server is asked.
      history.violate("converge", `${client.name} still has ${key} at version ${version} in its near cache`);
    }
    const endsSoon = first.kind !== "miss" && first.ttlRemainingMs < ANSWER_MAX_MS;
    const second = await workload.readEntry(client, key);
    if (!changed && !endsSoon && second !== undefined && second.source !== "near") {
      history.violate(
        "converge",
        `${client.name} does not keep ${key} in its near cache though there are no faults`,
      );
    }
  }
  for (const key of originKeys) {
    const begunMs = time.nowMs();
    await workload.getOrLoad(client, key);
    if (time.nowMs() - begunMs > LOAD_MAX_MS) {
      history.violate("converge", `${client.name} took ${time.nowMs() - begunMs} ms to load ${key}`);
    }
  }
}

/**
 * An entry of an origin key must not be older than the last write whose invalidation was answered. A writer
 * that crashes between its commit and its invalidation leaves an older row behind, which no cache can detect.
 */
function examineOrigin(deps: ExamDeps): void {
  const { history, truth, origin, operations, versionsLost, undone, time } = deps;
  for (const key of originKeys) {
    // Then the store knows no source versions, so a Set that was under way may store an older row.
    if (key === VERSIONED_KEY && versionsLost().order > 0) continue;
    const { held, soft, freshUntilMs } = truth.current(key);
    if (held === undefined || soft || time.nowMs() >= freshUntilMs) continue;
    const published = Math.max(
      0,
      ...operations.completedWrites
        .filter((write) => write.key === key && write.published() !== undefined)
        .filter((write) => write.call.order > undone().order)
        .map((write) => write.row),
    );
    const row = origin.read(key);
    const right =
      held.value === undefined
        ? row.deleted || row.version > published
        : (rowVersionOf(held.value) ?? 0) >= published;
    if (!right) {
      history.violate(
        "origin",
        `${key} is cached as ${held.value ?? "absent"}, but the invalidation of row ${published} was answered`,
      );
    }
  }
}
