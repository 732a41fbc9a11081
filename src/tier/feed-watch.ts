/** Finds that a push of a shard's feed was lost, when no later one comes that would show it. */
import type { Mirror } from "./mirror.ts";

/** Answers and the events that they are as of come on one connection. */
const FEED_STILL_MAX_MS = 100;

/** What answers are as of that the feed has not told of yet. */
interface Expected {
  readonly epoch: bigint;
  /** The latest of all answers. */
  revision: number;
  /** Up to where the feed had come when it last moved. */
  followed: number;
  stillSinceMs: number;
}

export class FeedWatch {
  readonly #shard: number;
  readonly #mirror: Mirror;
  #expected: Expected | undefined;

  constructor(shard: number, mirror: Mirror) {
    this.#shard = shard;
    this.#mirror = mirror;
  }

  /** An answer is as of this revision. */
  expect(epoch: bigint, revision: number, nowMs: number): void {
    if (!this.#mirror.isBehind(this.#shard, epoch, revision)) return;
    if (this.#expected?.epoch === epoch) {
      this.#expected.revision = Math.max(this.#expected.revision, revision);
      return;
    }
    const followed = this.#mirror.revisionOf(this.#shard);
    this.#expected = { epoch, revision, followed, stillSinceMs: nowMs };
  }

  /** Nothing in the feed explains an answer, and the feed has not moved for too long. Says so once for each such answer. */
  isStill(nowMs: number): boolean {
    const expected = this.#expected;
    if (expected === undefined) return false;
    const followed = this.#mirror.revisionOf(this.#shard);
    if (!this.#mirror.isBehind(this.#shard, expected.epoch, expected.revision)) {
      this.#expected = undefined;
    } else if (followed !== expected.followed) {
      expected.followed = followed;
      expected.stillSinceMs = nowMs;
    } else if (nowMs - expected.stillSinceMs >= FEED_STILL_MAX_MS) {
      this.#expected = undefined;
      return true;
    }
    return false;
  }
}
