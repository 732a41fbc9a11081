/** A transport whose server is the test: it reads every frame of the client and writes every answer. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type EventSchema,
  type ExchangeRequest,
  ExchangeResponseSchema,
  type LimitsSchema,
  type Operation,
  type OperationResultSchema,
  type Subscription,
} from "../../gen/meshcache/v1/cache_pb.ts";
import type { LinkHandlers, Transport } from "../../src/client/transport/transport.ts";
import { CacheError } from "../../src/common/errors.ts";

export type Reply = NonNullable<MessageInitShape<typeof OperationResultSchema>["result"]>;
export type ScriptedEvent = MessageInitShape<typeof EventSchema>;
export type ScriptedLimits = MessageInitShape<typeof LimitsSchema>;
type Frame = NonNullable<MessageInitShape<typeof ExchangeResponseSchema>["frame"]>;

export const EPOCH = 7n;
export const OTHER_EPOCH = 8n;
const cursorOf = (position: number): Uint8Array<ArrayBuffer> => new Uint8Array([1, position]);

export interface ScriptedBatch {
  readonly operations: Operation[];
  answer(...replies: Reply[]): void;
  /** Answers some of the operations; more follow. */
  answerPart(...replies: Reply[]): void;
}

/** One stream of the client, at the side of the server. */
export class ScriptedLink {
  readonly address: string;
  readonly requests: ExchangeRequest[] = [];
  closedByClient = false;
  /** The result of `Link.send`. */
  writable = true;
  /** What Opened says. Undefined: nothing, as an older server. */
  limits: ScriptedLimits | undefined;
  readonly #handlers: LinkHandlers;
  #sequence = 0n;
  #position = 0;
  #autoEpoch: bigint | undefined;
  readonly #taken = new Set<ExchangeRequest>();

  constructor(address: string, handlers: LinkHandlers) {
    this.address = address;
    this.#handlers = handlers;
  }

  receive(frame: ExchangeRequest): boolean {
    this.requests.push(frame);
    // An automatic stream answers subscriptions and pings, as a healthy server does.
    if (this.#autoEpoch !== undefined) this.#answer(frame, this.#autoEpoch);
    return this.writable;
  }

  /** Answers Open, subscriptions and pings automatically: those so far and all later ones. */
  answerAlways(epoch = EPOCH): void {
    for (const frame of this.requests) this.#answer(frame, epoch);
    this.#autoEpoch = epoch;
  }

  stopAnswering(): void {
    this.#autoEpoch = undefined;
  }

  /** The nonces of the pings that were not taken before. */
  takePings(): bigint[] {
    return this.#take((frame) => (frame.case === "ping" ? frame.value.nonce : undefined)).map(
      (one) => one.what,
    );
  }

  /** The subscriptions that were not taken before, with the ids for `opened`. */
  takeSubscriptions(): { readonly id: bigint; readonly what: Subscription }[] {
    return this.#take((frame) => (frame.case === "subscription" ? frame.value : undefined));
  }

  /** The next batch that was not taken before, with the functions that answer it. */
  takeBatch(): ScriptedBatch {
    const request = this.requests.find((one) => one.frame.case === "batch" && !this.#taken.has(one));
    if (request === undefined || request.frame.case !== "batch") throw new Error("no batch was sent");
    this.#taken.add(request);
    const { operations } = request.frame.value;
    const send = (replies: Reply[], more: boolean) =>
      this.send(
        { case: "batch", value: { results: replies.map((result) => ({ result })) } },
        request.id,
        more,
      );
    return {
      operations,
      answer: (...replies) => send(replies, false),
      answerPart: (...replies) => send(replies, true),
    };
  }

  get batchesWaiting(): number {
    return this.requests.filter((one) => one.frame.case === "batch" && !this.#taken.has(one)).length;
  }

  opened(id: bigint, epoch = EPOCH): void {
    const { limits } = this;
    const value = { epoch, shards: 4, cursor: this.cursor(), ...(limits !== undefined && { limits }) };
    this.send({ case: "opened", value }, id);
  }

  event(...events: ScriptedEvent[]): void {
    this.#position += 1;
    this.send({ case: "events", value: { events, cursor: this.cursor() } });
  }

  progress(nonce = 0n): void {
    this.send({ case: "progress", value: { nonce, cursor: this.cursor() } });
  }

  send(frame: Frame, id = 0n, more = false): void {
    this.#sequence += 1n;
    this.sendAs(this.#sequence, frame, id, more);
  }

  /** Sends a frame with any sequence number. */
  sendAs(sequence: bigint, frame: Frame, id = 0n, more = false): void {
    this.#sequence = sequence;
    this.#handlers.frame(create(ExchangeResponseSchema, { id, frame, sequence, more }));
  }

  /** Skips a sequence number, as if a frame was lost. */
  lose(): void {
    this.#sequence += 1n;
  }

  drained(): void {
    this.writable = true;
    this.#handlers.drained();
  }

  /** The connection of the stream is to end. */
  goesAway(): void {
    this.#handlers.goesAway();
  }

  /** The stream ends with an error. */
  reset(): void {
    this.#handlers.closed(new CacheError("UNAVAILABLE", "reset by the test"));
  }

  cursor(): Uint8Array<ArrayBuffer> {
    return cursorOf(this.#position);
  }

  #answer({ id, frame }: ExchangeRequest, epoch: bigint): void {
    if (frame.case === "open") this.opened(id, epoch);
    else if (frame.case === "subscription") {
      this.opened(id, epoch);
      this.progress();
    } else if (frame.case === "ping") this.progress(frame.value.nonce);
  }

  #take<What>(
    pick: (frame: ExchangeRequest["frame"]) => What | undefined,
  ): { readonly id: bigint; readonly what: What }[] {
    return this.requests.flatMap((request) => {
      const what = this.#taken.has(request) ? undefined : pick(request.frame);
      if (what === undefined) return [];
      this.#taken.add(request);
      return [{ id: request.id, what }];
    });
  }
}

export class ScriptedServer implements Transport {
  readonly links: ScriptedLink[] = [];
  /**
   * Every new stream answers Open, subscriptions and pings automatically, with this epoch. Undefined: the
   * test answers.
   */
  autoEpoch: bigint | undefined = EPOCH;
  /** The limits in Opened on every new stream. */
  limits: ScriptedLimits | undefined;

  open(address: string, handlers: LinkHandlers): ReturnType<Transport["open"]> {
    const link = new ScriptedLink(address, handlers);
    link.limits = this.limits;
    this.links.push(link);
    const { autoEpoch } = this;
    // Frames never arrive during `open` or `send`, as on a real network.
    let opened = false;
    return {
      send: (frame) => {
        if (autoEpoch === undefined) return link.receive(frame);
        const sent = link.receive(frame);
        if (!opened) {
          opened = true;
          queueMicrotask(() => link.answerAlways(autoEpoch));
        }
        return sent;
      },
      close: () => {
        link.closedByClient = true;
      },
    };
  }

  /** The newest stream. */
  get link(): ScriptedLink {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error("the client has not connected");
    return link;
  }
}
