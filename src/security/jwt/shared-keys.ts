/**
 * What the threads of a process share about the keys behind one URL: who asks for them and when, and the last answer. So all
 * threads together ask as often as one, and know the same.
 */
import { type Clock, type Moment, momentOf } from "../../common/clock.ts";

/** By URL. It may be passed to another thread. */
export type KeyMemory = ReadonlyMap<string, SharedArrayBuffer>;

/** The largest answer. */
export const KEYS_MAX_BYTES = 1_048_576;
const VERSION_AT = 0;
const LENGTH_AT = 1;
const ASKING_AT = 2;
const FAILED_AT = 3;
/** In bytes. */
const ASKED_AT = 16;
const ANSWERED_AT = 24;
const ANSWER_AT = 40;
/** Whoever has asked for longer is not there any more. */
const ASKING_MAX_MS = 10_000n;
const NEVER = -(2n ** 62n);

export function createKeyMemory(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(ANSWER_AT + KEYS_MAX_BYTES);
  new BigInt64Array(memory, ASKED_AT, 1)[0] = NEVER;
  return memory;
}

export class SharedKeys {
  readonly memory: SharedArrayBuffer;
  readonly #numbers: Int32Array;
  readonly #asked: BigInt64Array;
  /** By both clocks. */
  readonly #answered: BigInt64Array;
  readonly #answer: Uint8Array;
  #readVersion = 0;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#numbers = new Int32Array(memory, 0, 4);
    this.#asked = new BigInt64Array(memory, ASKED_AT, 1);
    this.#answered = new BigInt64Array(memory, ANSWERED_AT, 2);
    this.#answer = new Uint8Array(memory, ANSWER_AT);
  }

  /** Some thread has asked and has no answer yet. */
  get isAsking(): boolean {
    return Atomics.load(this.#numbers, ASKING_AT) !== 0;
  }

  /** Whoever asked last has failed. */
  get hasFailed(): boolean {
    return Atomics.load(this.#numbers, FAILED_AT) !== 0;
  }

  /** When the last answer came, for who has taken it. */
  get answered(): Moment {
    const [monotonicMs = 0, wallMs = 0] = [0, 1].map((at) => Number(Atomics.load(this.#answered, at)));
    return { monotonicMs, wallMs };
  }

  /**
   * True: this thread is to ask now, and calls `answer` or `fail`. False: somebody does, or did less than `coolDownMs`
   * ago. `nowMs`: of the clock that all threads share.
   */
  claim(nowMs: number, coolDownMs: number): boolean {
    const askedMs = Atomics.load(this.#asked, 0);
    const asMs = BigInt(Math.floor(nowMs));
    const ageMs = asMs - askedMs;
    if (ageMs < BigInt(coolDownMs) || (this.isAsking && ageMs < ASKING_MAX_MS)) return false;
    if (Atomics.compareExchange(this.#asked, 0, askedMs, asMs) !== askedMs) return false;
    Atomics.store(this.#numbers, ASKING_AT, 1);
    return true;
  }

  /** For all threads. At most `KEYS_MAX_BYTES`. Only one thread asks at a time, so only one writes. */
  answer(answer: Uint8Array, clock: Clock): void {
    const { monotonicMs, wallMs } = momentOf(clock);
    Atomics.add(this.#numbers, VERSION_AT, 1);
    Atomics.store(this.#answered, 0, BigInt(Math.floor(monotonicMs)));
    Atomics.store(this.#answered, 1, BigInt(Math.floor(wallMs)));
    this.#answer.set(answer);
    Atomics.store(this.#numbers, LENGTH_AT, answer.length);
    Atomics.add(this.#numbers, VERSION_AT, 1);
    this.#askedFor(0);
  }

  fail(): void {
    this.#askedFor(1);
  }

  #askedFor(failed: 0 | 1): void {
    Atomics.store(this.#numbers, FAILED_AT, failed);
    Atomics.store(this.#numbers, ASKING_AT, 0);
  }

  /** The last answer, if it came since this was called last. */
  takeNew(): string | undefined {
    const version = Atomics.load(this.#numbers, VERSION_AT);
    if (version === this.#readVersion || isBeingWritten(version)) return undefined;
    const answer = Buffer.from(this.#answer.slice(0, Atomics.load(this.#numbers, LENGTH_AT))).toString();
    if (Atomics.load(this.#numbers, VERSION_AT) !== version) return undefined;
    this.#readVersion = version;
    return answer;
  }
}

function isBeingWritten(version: number): boolean {
  return version % 2 !== 0;
}
