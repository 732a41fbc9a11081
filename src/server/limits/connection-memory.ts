/** What the calls of one connection hold, and whether it may be more. memory-account.ts adds up those of all. */
import { type CacheError, limitExceeded } from "../../common/errors.ts";
import { Fifo } from "../../common/fifo.ts";
import type { HeldMemory } from "../../security/access/meter.ts";
import { type MemoryAccount, SHARED_PART } from "./memory-account.ts";
import type { Reader } from "./readers.ts";
import { onlyRequestMaxBytes } from "./transport-limits.ts";
import type { Owner, Turns } from "./turns.ts";

/** Requests of at most this size arrive in any case: a connection has a bounded number of streams. */
const SMALL_REQUEST_BYTES = 4 * 1024;
/** The frame around its message: a request holds it too, and the bound of messages does not count it. */
const FRAME_BYTES = 5;
/** A connection that holds no more than this of answers may hold one more as long as the process may: its peer takes them. */
const FEW_ANSWERS_BYTES = 64 * 1024;
/**
 * Of the bound of the process: up to it a connection may have any answer beside few. The rest is for those whose latest answer was as small: the next
 * is likely to be so too, and a large one is the only one there of its connection until the peer has taken it.
 */
const ANY_ANSWER_PART = 15 / 16;
/** A principal that holds more than this part of what is shared gets none of the rest. */
const LARGEST_PART = 0.5;

/** What the calls of one connection, and there of one principal, hold. */
export class ConnectionMemory implements Owner {
  /** Undefined: of nobody who is known. */
  readonly principal: HeldMemory | undefined;
  readonly reader: Reader | undefined;
  readonly #account: MemoryAccount;
  /** Those of other principals on this connection. */
  #others: Map<HeldMemory | undefined, ConnectionMemory> | undefined;
  /** Unary calls, and operations of batches, so far. */
  operations = 0;
  /** Of requests that arrive, and of those whose calls wait. */
  #requestBytes = 0;
  /** Of results that wait for others, and of answers until the connection has taken them. */
  #answerBytes = 0;
  /** 0: it has had none. */
  #latestAnswerBytes = 0;
  readonly #waiting = new Fifo<() => void>();

  constructor(account: MemoryAccount, principal?: HeldMemory, reader?: Reader) {
    this.#account = account;
    this.principal = principal;
    this.reader = reader;
  }

  countOperations(count: number): void {
    this.operations += count;
    this.#account.operations += count;
  }

  /** The account of another principal on the same connection. */
  of(principal: HeldMemory | undefined): ConnectionMemory {
    if (principal === this.principal) return this;
    this.#others ??= new Map();
    let other = this.#others.get(principal);
    if (other === undefined) {
      other = new ConnectionMemory(this.#account, principal, this.reader);
      this.#others.set(principal, other);
    }
    return other;
  }

  /** This one, and those of other principals. */
  all(): readonly ConnectionMemory[] {
    return this.#others === undefined ? [this] : [this, ...this.#others.values()];
  }

  get heldBytes(): number {
    return this.#requestBytes + this.#answerBytes;
  }

  /** The turns in which its calls run. */
  get turns(): Turns {
    return this.#account.turns;
  }

  get waits(): boolean {
    return this.#waiting.length > 0;
  }

  /** Negative: so many bytes are held no longer. */
  addRequest(bytes: number): void {
    this.#requestBytes += bytes;
    this.#account.total.add(bytes);
    this.principal?.add(bytes);
    if (bytes < 0) this.#account.freed();
  }

  /** Negative: so many bytes are held no longer. */
  addAnswer(bytes: number): void {
    if (bytes > 0) this.#latestAnswerBytes = bytes;
    this.addUnread(bytes);
  }

  /** What waits to be read behind answers that the peer does not take. Negative: so many bytes do no longer. */
  addUnread(bytes: number): void {
    this.#answerBytes += bytes;
    this.#account.total.add(bytes);
    this.principal?.add(bytes);
    if (bytes < 0) this.#account.freed();
  }

  /** Whether there is memory for one more answer. Always beside few others, unless the process has none left. */
  admitsAnswer(): boolean {
    const { total, maxBytes, sharedMaxBytes, connectionMaxBytes } = this.#account;
    const { principal } = this;
    const heldBytes = this.#answerBytes;
    if (principal !== undefined && !this.#principalAdmits(principal)) return false;
    if (heldBytes <= FEW_ANSWERS_BYTES) {
      return total.bytes < (this.#takesSmallAnswers ? maxBytes : ANY_ANSWER_PART * maxBytes);
    }
    return heldBytes < connectionMaxBytes && heldBytes + total.bytes < sharedMaxBytes;
  }

  /** It has had some, and the latest was not large. */
  get #takesSmallAnswers(): boolean {
    return this.#latestAnswerBytes > 0 && this.#latestAnswerBytes <= FEW_ANSWERS_BYTES;
  }

  #principalAdmits({ bytes, maxBytes }: HeldMemory): boolean {
    const hasFew = this.#answerBytes <= FEW_ANSWERS_BYTES;
    if (bytes >= (hasFew ? maxBytes : SHARED_PART * maxBytes)) return false;
    const { total, sharedMaxBytes } = this.#account;
    return total.bytes < sharedMaxBytes || bytes <= LARGEST_PART * sharedMaxBytes;
  }

  /** Undefined: the request of a call may hold so many bytes. Otherwise the call has to end with this error. */
  refusalOf(requestBytes: number): CacheError | undefined {
    if (requestBytes <= SMALL_REQUEST_BYTES) return undefined;
    const { total, connectionMaxBytes, sharedMaxBytes, maxBytes } = this.#account;
    const heldBytes = this.#requestBytes;
    if (this.principal !== undefined && this.principal.bytes > this.principal.maxBytes) {
      this.#account.refusals += 1;
      return this.principal.refuse();
    }
    if (heldBytes > connectionMaxBytes + FRAME_BYTES)
      return this.#refuse("connection_held_bytes", connectionMaxBytes);
    // A connection that holds nothing else gets room for its only request.
    if (heldBytes === requestBytes) {
      const onlyMaxBytes = onlyRequestMaxBytes(maxBytes);
      return total.bytes > onlyMaxBytes + FRAME_BYTES ? this.#refuse("held_bytes", onlyMaxBytes) : undefined;
    }
    return total.bytes < sharedMaxBytes - heldBytes ? undefined : this.#refuse("held_bytes", maxBytes);
  }

  /** Calls `run` when there is memory for an answer, not now. Whoever is gone by then does nothing in it. */
  wait(run: () => void): void {
    this.#waiting.push(run);
    this.#account.enlist(this);
  }

  /** Runs the call that waits longest. False: none waits, or there is no memory for its answer. */
  runNext(): boolean {
    const run = this.admitsAnswer() ? this.#waiting.shift() : undefined;
    run?.();
    return run !== undefined;
  }

  #refuse(limit: string, bound: number): CacheError {
    this.#account.refusals += 1;
    return limitExceeded(limit, String(bound));
  }
}
