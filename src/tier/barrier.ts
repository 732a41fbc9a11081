/**
 * Proves that the mirror has come as far as every mutation that was acknowledged before the proof began: each shard tells where it is,
 * and then a majority tells that no other node was elected. Many ask at once, and share one proof.
 */
import type { Boundary } from "../common/boundary.ts";
import type { Clock, Timer } from "../common/clock.ts";
import type { Pending, Settle } from "../store/api/backend.ts";
import { unavailable } from "./engine/connection.ts";
import type { NodeLink } from "./node-link.ts";
import type { ShardOperation } from "./operation.ts";
import type { Quorum } from "./quorum.ts";
import type { ShardLine } from "./shard-line.ts";
import { TENURE_CHECK } from "./tenure.ts";

/** Proofs begin at most so often: each is a call for each shard. */
const INTERVAL_MS = 5;

interface Asker {
  readonly settle: Settle<void>;
  isCancelled: boolean;
}

/** A shard that told where it is, and of which node. */
interface AskedShard {
  readonly link: NodeLink | undefined;
  readonly epoch: number | undefined;
  readonly key: string;
}

export interface BarrierDeps {
  readonly clock: Clock;
  readonly boundary: Boundary;
  readonly lines: readonly ShardLine[];
  readonly quorum: Quorum;
  readonly operationMaxMs: number;
  flush(): void;
  /** No majority names these nodes in their epoch. */
  disagreed(): void;
}

export class Barrier {
  readonly #deps: BarrierDeps;
  #askers: Asker[] = [];
  #isProving = false;
  #lastMs = -INTERVAL_MS;
  #timer: Timer | undefined;

  constructor(deps: BarrierDeps) {
    this.#deps = deps;
  }

  ask(settle: Settle<void>): Pending {
    const asker: Asker = { settle, isCancelled: false };
    this.#askers.push(asker);
    this.#begin();
    return {
      cancel() {
        asker.isCancelled = true;
      },
    };
  }

  close(): void {
    this.#timer?.cancel();
    this.#tell(this.#take(), unavailable("the server has ended"));
  }

  #begin(): void {
    const { clock, boundary } = this.#deps;
    if (this.#isProving || this.#askers.length === 0 || this.#timer !== undefined) return;
    const waitMs = this.#lastMs + INTERVAL_MS - clock.nowMs();
    if (waitMs > 0) {
      const begin = boundary.guard(undefined, () => {
        this.#timer = undefined;
        this.#begin();
      });
      this.#timer = clock.schedule(waitMs, begin);
      return;
    }
    this.#lastMs = clock.nowMs();
    this.#isProving = true;
    const askers = this.#take();
    this.#prove((error) => {
      this.#isProving = false;
      this.#tell(askers, error);
      this.#begin();
    });
  }

  #take(): Asker[] {
    const askers = this.#askers;
    this.#askers = [];
    return askers;
  }

  #tell(askers: readonly Asker[], error: Error | undefined): void {
    for (const asker of askers) if (!asker.isCancelled) asker.settle(error);
  }

  /** Begins again where a shard has come to another node meanwhile, until it takes too long. */
  #prove(done: (error: Error | undefined) => void, dueMs = this.#dueMs()): void {
    const { lines, clock } = this.#deps;
    const asked = lines.map(({ link, keys }) => ({ link, epoch: link?.epoch, key: keys.head }));
    const isSame = () =>
      lines.every(({ link }, index) => link === asked[index]?.link && link?.epoch === asked[index]?.epoch);
    const end = (error: Error | undefined) => {
      if (error !== undefined || isSame()) done(error);
      else if (clock.nowMs() < dueMs) this.#prove(done, dueMs);
      else done(unavailable("the shards move between nodes of the engine"));
    };
    let left = lines.length;
    let failure: Error | undefined;
    const answered = (error: Error | undefined) => {
      failure ??= error;
      left -= 1;
      if (left > 0) return;
      if (failure !== undefined || !isSame()) end(failure);
      else this.#agree(asked, end);
    };
    for (const line of lines) line.add(tenureCheck(dueMs, answered));
    this.#deps.flush();
  }

  #agree(asked: readonly AskedShard[], end: (error: Error | undefined) => void): void {
    const owners = asked.flatMap(({ link, key }) =>
      link === undefined ? [] : { nodeId: link.node.id, key },
    );
    this.#deps.quorum.ask(owners, (epochs) => {
      const isAgreed = asked.every(
        ({ link, epoch }) => link !== undefined && epochs.get(link.node.id) === epoch,
      );
      if (!isAgreed) this.#deps.disagreed();
      end(isAgreed ? undefined : unavailable("the engine elects another node"));
    });
  }

  #dueMs(): number {
    return this.#deps.clock.nowMs() + this.#deps.operationMaxMs;
  }
}

function tenureCheck(dueMs: number, answered: (error: Error | undefined) => void): ShardOperation {
  return {
    bytes: TENURE_CHECK,
    keys: [],
    entry: undefined,
    mustAsk: true,
    isRead: true,
    isCancelled: false,
    traceparent: "",
    dueMs,
    settle: (result) => answered(result instanceof Error ? result : undefined),
  };
}
