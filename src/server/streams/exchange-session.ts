/**
 * One Exchange without its transport: frames in, frames out, in the order in which the shards produced them.
 *
 * Before any response is sent, every event that the shards have produced so far is: so a response never
 * overtakes an event that it reflects. Requests are taken one at a time and only while the output takes
 * frames; the rest waits, and the owner stops reading. That goes for the operations of one batch too: they are
 * run a frame's worth at a time, so that what a batch answers may be large and what it holds here may not.
 */

import { create } from "@bufbuild/protobuf";
import {
  type BatchRequest,
  type BatchResponse,
  DrainingSchema,
  type ExchangeRequest,
  type ExchangeResponse,
  ProgressSchema,
  type Subscription,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { NO_BYTES } from "../../common/bytes.ts";
import type { Clock } from "../../common/clock.ts";
import { CacheError, fieldInvalid, limitExceeded } from "../../common/errors.ts";
import type { Limits } from "../../rpc/limits.ts";
import { isFault, toStatus } from "../../rpc/status.ts";
import { fromSelectors } from "../../rpc/subscription.ts";
import { checkClientId, checkCursor } from "../../rpc/validate.ts";
import type { Store, Subscriber } from "../../store/api/store.ts";
import { returnValueArena, takeValueArena, type ValueArena } from "../../store/api/value-arena.ts";
import type { CallSpan, Telemetry } from "../../telemetry/telemetry.ts";
import { mayWait, runBatch } from "../operations/batch.ts";
import { type BatchParts, createBatchParts } from "../operations/batch-chunks.ts";
import { createEventFeed, type EventFeed, type FeedFrame, toOpened } from "./event-feed.ts";
import { type Defer, deferOnce } from "./pump-scheduler.ts";

export interface FrameSink {
  /** False: over the high-water mark, wait for `drained()`. The frame is taken all the same. */
  send(frame: ExchangeResponse): boolean;
  /** Ends the stream; with an error, as the call's status. */
  end(error?: CacheError): void;
}

export interface ExchangeSession {
  receive(frame: ExchangeRequest): void;
  /** The owner should stop reading until it is false again. */
  paused(): boolean;
  /** The sink takes frames again. */
  drained(): void;
  /** The client sends no more: the stream ends when everything is answered. */
  halfClosed(): void;
  /** Tells the client that the server is shutting down. */
  drain(): void;
  /** The stream is gone: nothing is sent any more, and waits are cancelled. */
  close(): void;
}

export interface ExchangeSessionDeps {
  readonly store: Store;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** The span of the stream. Default: one that is not sampled. */
  readonly span?: CallSpan;
  /** Runs a pump once, soon. Default: on the clock, without delay. */
  readonly defer?: Defer;
  /** Told when the session has gone on by itself and `paused()` may be false again. Default: nobody. */
  readonly unpaused?: () => void;
  readonly frameMaxEvents?: number;
  /** Of events or of results, about. Default 256 KiB. */
  readonly frameMaxBytes?: number;
  /** Where this session's subscriber is listed while it has one. */
  readonly subscribers?: Set<Subscriber>;
  /** Batches that wait for leases. Default 4,096. */
  readonly maxWaitingBatches?: number;
  /** The sink reads no frame once `send` has returned: values need no memory of their own. Default false. */
  readonly sinkEncodes?: boolean;
}

/** Each may hold the results of its other operations, a whole message of them, until its lease is decided. */
const MAX_HOLDING_BATCHES = 4;

type RequestFrame = ExchangeRequest["frame"];

interface Answer {
  readonly id: bigint;
  readonly response: BatchResponse;
  /** Further results of the batch follow. */
  readonly more: boolean;
  /** Of `running`, whose values are in `space`. */
  readonly part: boolean;
}

const UNSAMPLED: CallSpan = { traceparent: "", sampled: false, set() {}, end() {} };

export function createExchangeSession(deps: ExchangeSessionDeps, sink: FrameSink): ExchangeSession {
  const { store, limits, telemetry, clock } = deps;
  const defer: Defer = deps.defer ?? ((run) => clock.schedule(0, run));
  const feedLimits = {
    frameMaxEvents: deps.frameMaxEvents ?? 512,
    frameMaxBytes: deps.frameMaxBytes ?? 256 * 1024,
  };
  const maxWaitingBatches = deps.maxWaitingBatches ?? 4_096;
  const inbox: ExchangeRequest[] = [];
  /** Responses to batches, or parts of them, not yet sent. */
  const ready: Answer[] = [];
  /** The batch of which operations are still to be run. */
  let running: { readonly id: bigint; readonly parts: BatchParts } | undefined;
  /** Where the values of its last part are, as long as that is not sent. */
  let space: ValueArena | undefined;
  const waiting = new Set<() => void>();
  /** Of these, the ones that hold results of other operations. */
  let holding = 0;
  let caller: { readonly span: CallSpan; readonly clientId: string } | undefined;
  let feed: EventFeed | undefined;
  let lastId = 0n;
  let sequence = 0n;
  let writable = true;
  let advancing = false;
  let ending = false;
  let closed = false;

  function send(frame: ExchangeResponse["frame"], id = 0n, more = false): boolean {
    sequence += 1n;
    writable = sink.send({ $typeName: "meshcache.v1.ExchangeResponse", id, frame, sequence, more });
    return writable && !closed;
  }

  const sendFeed = (frame: FeedFrame): boolean => send(frame);
  /** Requests may have been left over when the events before them were too many for one turn. */
  const advanceLater = deferOnce(defer, () => {
    advance();
    deps.unpaused?.();
  });
  const wake = (): void => {
    if (!closed) advanceLater();
  };

  /** Sends what may be sent and takes what may be taken, as far as the output goes. */
  function advance(): void {
    if (advancing || closed) return;
    advancing = true;
    try {
      while (writable && !closed && step());
    } catch (error) {
      telemetry.logger.error({ err: error }, "an exchange failed");
      finish(new CacheError("INTERNAL", "internal error", {}, { cause: error }));
    } finally {
      advancing = false;
    }
  }

  /** False when there is nothing more to do now. */
  function step(): boolean {
    const state = feed?.pump(sendFeed) ?? "caughtUp";
    if (state === "later") advanceLater();
    if (state !== "caughtUp") return false;
    const answer = ready.shift();
    if (answer !== undefined) {
      send({ case: "batch", value: answer.response }, answer.id, answer.more);
      if (answer.part && !answer.more) leaveSpace();
      return true;
    }
    if (running !== undefined) {
      runPart(running.id, running.parts);
      return true;
    }
    const request = inbox.shift();
    if (request !== undefined) {
      handle(request);
      return true;
    }
    if (ending && waiting.size === 0) finish();
    return false;
  }

  function handle({ id, frame }: ExchangeRequest): void {
    // Without ids in order responses could not be told apart: there is no answering such a client.
    if (id <= lastId) {
      finish(fieldInvalid("id", "greater than any before on this stream"));
      return;
    }
    lastId = id;
    if (caller === undefined && frame.case !== "open") {
      finish(fieldInvalid("frame", "open in the first frame"));
      return;
    }
    try {
      handleFrame(id, frame);
    } catch (error) {
      if (isFault(error)) telemetry.logger.error({ err: error, frame: frame.case }, "a frame failed");
      send({ case: "error", value: toStatus(error) }, id);
    }
  }

  function handleFrame(id: bigint, frame: RequestFrame): void {
    switch (frame.case) {
      case "open": {
        if (caller !== undefined) throw fieldInvalid("open", "given once");
        const clientId = checkClientId(frame.value.clientId, limits, "client_id");
        caller = { span: deps.span ?? UNSAMPLED, clientId };
        send(toOpened(store, NO_BYTES), id);
        return;
      }
      case "subscription":
        send(subscribe(frame.value), id);
        return;
      case "batch":
        startBatch(id, frame.value);
        return;
      case "ping": {
        const { nonce } = frame.value;
        if (nonce === 0n) throw fieldInvalid("nonce", "not 0");
        send(feed?.progress(nonce) ?? { case: "progress", value: create(ProgressSchema, { nonce }) }, id);
        return;
      }
      case "ack":
        // Reading the lag checks the cursor; what it says is of use to who debugs a client only.
        feed?.subscriber.lag(checkCursor(frame.value.cursor, limits));
        return;
      case undefined:
        throw fieldInvalid("frame", "one of open, subscription, batch, ping and ack");
      default:
        frame satisfies never;
    }
  }

  function subscribe(subscription: Subscription): FeedFrame {
    const selectors = fromSelectors(subscription.selectors, limits);
    if (feed === undefined) {
      const cursor = checkCursor(subscription.cursor, limits);
      feed = createEventFeed(store, selectors, cursor, feedLimits, wake);
      deps.subscribers?.add(feed.subscriber);
    } else {
      if (subscription.cursor.length > 0) throw fieldInvalid("cursor", "empty after the first subscription");
      // `step` has just pumped to the end of the logs, which `select` asks for.
      feed.subscriber.select(selectors);
    }
    return feed.opened();
  }

  function startBatch(id: bigint, batch: BatchRequest): void {
    if (caller === undefined) return;
    if (!mayWait(batch)) {
      runPart(id, createBatchParts(batch, caller, deps, feedLimits.frameMaxBytes));
      return;
    }
    if (waiting.size >= maxWaitingBatches) {
      throw limitExceeded("waiting_batches", String(maxWaitingBatches));
    }
    const holds = batch.operations.length > 1;
    if (holds && holding >= MAX_HOLDING_BATCHES) {
      throw limitExceeded("waiting_batches_of_several_operations", String(MAX_HOLDING_BATCHES));
    }
    let cancel: (() => void) | undefined;
    const finished = (response: BatchResponse) => {
      if (cancel !== undefined) {
        waiting.delete(cancel);
        if (holds) holding -= 1;
      }
      ready.push({ id, response, more: false, part: false });
      // A lease is settled from inside somebody's store call: the response goes out after it.
      if (!advancing) advanceLater();
    };
    cancel = runBatch(batch, caller, deps, finished);
    if (cancel !== undefined) {
      waiting.add(cancel);
      if (holds) holding += 1;
    }
  }

  /** The rest of the batch has its turn when this part has been sent. */
  function runPart(id: bigint, parts: BatchParts): void {
    if (deps.sinkEncodes) space ??= takeValueArena();
    const response = parts.next(space);
    running = parts.done() ? undefined : { id, parts };
    ready.push({ id, response, more: !parts.done(), part: true });
  }

  function leaveSpace(): void {
    if (space === undefined) return;
    returnValueArena(space);
    space = undefined;
  }

  function finish(error?: CacheError): void {
    if (closed) return;
    release();
    sink.end(error);
  }

  function release(): void {
    closed = true;
    for (const cancel of waiting) cancel();
    waiting.clear();
    inbox.length = 0;
    ready.length = 0;
    running = undefined;
    leaveSpace();
    if (feed !== undefined) {
      feed.subscriber.close();
      deps.subscribers?.delete(feed.subscriber);
    }
  }

  return {
    receive(frame) {
      if (closed) return;
      inbox.push(frame);
      advance();
    },
    paused: () => !writable || running !== undefined || inbox.length > 0,
    drained() {
      writable = true;
      advance();
    },
    halfClosed() {
      ending = true;
      advance();
    },
    drain() {
      if (!closed) send({ case: "draining", value: create(DrainingSchema) });
    },
    close: release,
  };
}
