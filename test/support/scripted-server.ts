/** A transport whose other end is the test: it sees every frame of the client and writes every answer itself. */
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
  /** With more to come. */
  answerPart(...replies: Reply[]): void;
}

/** One stream of the client, as its server sees it. */
export class ScriptedLink {
  readonly address: string;
  readonly requests: ExchangeRequest[] = [];
  closedByClient = false;
  /** What `Link.send` answers. */
  writable = true;
  /** What Opened says. Undefined: nothing, as an older server. */
  limits: ScriptedLimits | undefined;
  readonly #handlers: LinkHandlers;
  #sequence = 0n;
  #position = 0;
  #greeting: bigint | undefined;
  readonly #taken = new Set<ExchangeRequest>();

  constructor(address: string, handlers: LinkHandlers) {
    this.address = address;
    this.#handlers = handlers;
  }

  receive(frame: ExchangeRequest): boolean {
    this.requests.push(frame);
    // With a greeting the stream is as quiet as a healthy one: subscriptions and pings are answered.
    if (this.#greeting !== undefined) this.#greet(frame, this.#greeting);
    return this.writable;
  }

  /** Answers Open, subscriptions and pings now and from now on. */
  greet(epoch = EPOCH): void {
    for (const frame of this.requests) this.#greet(frame, epoch);
    this.#greeting = epoch;
  }

  stopGreeting(): void {
    this.#greeting = undefined;
  }

  /** The nonces of the pings that were not yet taken. */
  takePings(): bigint[] {
    return this.#take((frame) => (frame.case === "ping" ? frame.value.nonce : undefined)).map(
      (one) => one.what,
    );
  }

  /** The subscriptions that were not yet taken, with the ids that `opened` answers. */
  takeSubscriptions(): { readonly id: bigint; readonly what: Subscription }[] {
    return this.#take((frame) => (frame.case === "subscription" ? frame.value : undefined));
  }

  /** The operations of the next batch that was not yet taken, and what answers them. */
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

  /** With any frame number. */
  sendAs(sequence: bigint, frame: Frame, id = 0n, more = false): void {
    this.#sequence = sequence;
    this.#handlers.frame(create(ExchangeResponseSchema, { id, frame, sequence, more }));
  }

  /** Numbers a frame that never arrives. */
  lose(): void {
    this.#sequence += 1n;
  }

  drained(): void {
    this.writable = true;
    this.#handlers.drained();
  }

  /** The stream ends in the middle. */
  reset(): void {
    this.#handlers.closed(new CacheError("UNAVAILABLE", "reset by the test"));
  }

  cursor(): Uint8Array<ArrayBuffer> {
    return cursorOf(this.#position);
  }

  #greet({ id, frame }: ExchangeRequest, epoch: bigint): void {
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
  /** Answers Open, subscriptions and pings of every new stream by itself. */
  greeting: bigint | undefined = EPOCH;
  /** What Opened says on every new stream. */
  limits: ScriptedLimits | undefined;

  open(address: string, handlers: LinkHandlers): ReturnType<Transport["open"]> {
    const link = new ScriptedLink(address, handlers);
    link.limits = this.limits;
    this.links.push(link);
    const { greeting } = this;
    // Nothing is told from inside `open` or `send`: a network takes its time.
    let opened = false;
    return {
      send: (frame) => {
        if (greeting === undefined) return link.receive(frame);
        const sent = link.receive(frame);
        if (!opened) {
          opened = true;
          queueMicrotask(() => link.greet(greeting));
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
