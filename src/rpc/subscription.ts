/** The selectors, gaps and events of Stream and Exchange: requests to selectors, and reads to messages. */
import { create } from "@bufbuild/protobuf";
import {
  type Event,
  Event_Kind,
  EventSchema,
  type Events,
  type Gap,
  Gap_Reason,
  GapSchema,
  type Predecessor,
  PredecessorSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { fieldInvalid } from "../common/errors.ts";
import type {
  EventKind,
  GapReason,
  Selector,
  StoreEvent,
  Predecessor as StorePredecessor,
  SubscriberRead,
} from "../store/api/store.ts";
import { toStamp } from "./entry.ts";
import type { Limits } from "./limits.ts";
import { checkKey, checkNamespace } from "./validate.ts";

interface SelectorMessage {
  readonly namespace: string;
  readonly prefixes: readonly string[];
  readonly namespaceIsPrefix?: boolean;
}

export function fromSelectors(selectors: readonly SelectorMessage[], limits: Limits): readonly Selector[] {
  if (selectors.length > limits.subscriptionMaxSelectors) {
    throw fieldInvalid("selectors", `at most ${limits.subscriptionMaxSelectors} selectors`);
  }
  let prefixes = 0;
  for (const selector of selectors) prefixes += selector.prefixes.length;
  if (prefixes > limits.subscriptionMaxPrefixes) {
    throw fieldInvalid("prefixes", `at most ${limits.subscriptionMaxPrefixes} prefixes`);
  }
  return selectors.map((selector) =>
    selector.namespaceIsPrefix ? toWide(selector, limits) : toExact(selector, limits),
  );
}

function toExact({ namespace, prefixes }: SelectorMessage, limits: Limits): Selector {
  return {
    namespace: checkNamespace(namespace, "", limits),
    prefixes: prefixes.map((prefix) => checkKey(prefix, limits, "prefixes")),
  };
}

/** Of all namespaces whose names begin with this one. Empty: of all. */
function toWide({ namespace, prefixes }: SelectorMessage, limits: Limits): Selector {
  if (prefixes.length > 0) throw fieldInvalid("prefixes", "empty where the namespace is a prefix");
  if (namespace !== "") checkNamespace(namespace, "", limits);
  return { namespace, namespaceIsPrefix: true, prefixes: [] };
}

const EVENT_KIND: Record<EventKind, Event_Kind> = {
  set: Event_Kind.SET,
  invalidated: Event_Kind.INVALIDATED,
  staled: Event_Kind.STALED,
  touched: Event_Kind.TOUCHED,
};

const GAP_REASON: Record<GapReason, Gap_Reason> = {
  cursorExpired: Gap_Reason.CURSOR_EXPIRED,
  epochChanged: Gap_Reason.EPOCH_CHANGED,
  cursorAhead: Gap_Reason.CURSOR_AHEAD,
  overrun: Gap_Reason.OVERRUN,
};

export function toGap(reason: GapReason, cursor: Uint8Array, epoch: bigint): Gap {
  return create(GapSchema, { reason: GAP_REASON[reason], cursor, epoch });
}

export function toPredecessors(predecessors: readonly StorePredecessor[]): Predecessor[] {
  return predecessors.map(({ epoch, endRevisions }) =>
    create(PredecessorSchema, { epoch, endRevisions: endRevisions.map(BigInt) }),
  );
}

type EventsRead = Extract<SubscriberRead, { kind: "events" }>;

/** The message of each event, made once for all subscribers. */
const messages = new WeakMap<StoreEvent, Event>();

/** The event as a message. Subscribers share it: nobody may write to it. */
export function toEvent(event: StoreEvent, epoch: bigint): Event {
  const known = messages.get(event);
  if (known?.stamp?.epoch === epoch) return known;
  const message = create(EventSchema, {
    stamp: toStamp(epoch, event),
    target: toTarget(event),
    kind: EVENT_KIND[event.kind],
    origin: event.origin,
    traceparent: event.traceparent,
    namespace: event.namespace,
  });
  messages.set(event, message);
  return message;
}

/** The message of each read, made once for all subscribers that share the read. */
const frames = new WeakMap<EventsRead, Events>();

/** The events of a read as a message. Subscribers share it: nobody may write to it. */
export function toEvents(read: EventsRead, epoch: bigint): Events {
  let message = frames.get(read);
  if (message === undefined) {
    message = {
      $typeName: "meshcache.v1.Events",
      events: read.events.map((event) => toEvent(event, epoch)),
      cursor: read.cursor,
    };
    frames.set(read, message);
  }
  return message;
}

function toTarget({ target, name }: StoreEvent): Event["target"] {
  return target === "all" ? { case: "all", value: true } : { case: target, value: name };
}
