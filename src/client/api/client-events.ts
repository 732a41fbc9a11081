/**
 * The events of a client: the only place that names them. A new kind is a member of `ClientEventFacts`, a level and a
 * sentence here; what it happens to calls `report`. No event holds a key, a value or a token.
 */

import { toDuration } from "../../common/duration.ts";
import { adviceFor, type ConnectionProblem } from "../../rpc/connection-problem.ts";

/**
 * Why events may be missing. "overrun": the connection or the reader was too slow. "epochChanged": the server was started
 * anew. "cursorExpired": the server remembers no events from so long ago. "cursorAhead": the server knows less than the one
 * before it.
 */
export type GapCause = "cursorExpired" | "epochChanged" | "cursorAhead" | "overrun" | "unknown";

/**
 * Why a loaded value was not kept. "codec": the codec cannot encode it, or not decode it again. "tooLarge": more bytes than
 * the server takes. "options": an option of the loader is out of its range. "asked": the loader said `ttlMs: 0`. "changed":
 * the entry was changed during the load, or the source version is an old one, or the stream was lost.
 * "held": another process was still loading it when `waitMs` or `deadlineMs` was over. "outage": the cache could not be
 * reached.
 */
export type UnkeptReason = "codec" | "tooLarge" | "options" | "asked" | "changed" | "held" | "outage";

/**
 * What was full. "operations": the window of operations (`inFlightMaxOperations`, `inFlightMaxBytes`), so one was refused.
 * "subscription": the queue of a reader (`queueMaxEvents`), so it got a gap. "failedLoads": the failed loads that a namespace
 * remembers, so a key is loaded again before its cooldown is over. "invalidations": those that wait for a connection
 * (`queuedInvalidationsMaxNames`, `queuedInvalidationsMaxBytes`), so those of a namespace became a clear of it. "reports": the
 * reports that wait for the end of their 10 s,
 * so one was only counted.
 */
export type OverflowKind = "operations" | "subscription" | "failedLoads" | "invalidations" | "reports";

/** Why there is no connection. */
interface ConnectionFailure {
  /** What it is that somebody may have to mend. "other": none of the mistakes that the client can tell apart. */
  readonly problem: ConnectionProblem | "other";
  /** The root cause in a few words. */
  readonly cause: string;
}

/** What happened, as the code that sees it says it. */
export type ClientEventFacts =
  /** A stream to this server is ready, so operations go there. */
  | { readonly kind: "connected"; readonly address: string }
  /** An attempt to connect failed. The client goes on trying. */
  | ({ readonly kind: "connectFailed"; readonly address: string } & ConnectionFailure)
  /** A stream that was ready has ended. The client connects again. */
  | ({ readonly kind: "connectionLost"; readonly address: string } & ConnectionFailure)
  /**
   * No address has answered since the last stream: until one does, invalidations wait and other operations fail at once.
   * With the last failure.
   */
  | ({ readonly kind: "unavailable"; readonly addresses: readonly string[] } & ConnectionFailure)
  /** The server is shutting down. The client moves to another one, or leaves and comes back. */
  | { readonly kind: "serverDraining"; readonly address: string }
  /** Events may be missing. This many near copies are suspect: each is asked for again before it is served. */
  | { readonly kind: "gap"; readonly cause: GapCause; readonly suspectCopies: number }
  /**
   * The wall clock and the monotonic clock went apart by this: the host was suspended or the clock was set, back where it is
   * below 0. The age of near copies is unknown, so this many are suspect.
   */
  | { readonly kind: "clocksDiverged"; readonly aheadMs: number; readonly suspectCopies: number }
  /**
   * Two stores answer at this address, each without the writes to the other. Near caches are off until one remains. The
   * deployment has to be mended: one store behind one address.
   */
  | { readonly kind: "twoStores"; readonly address: string }
  /** One store remains where there were two. Near caches are on again. */
  | { readonly kind: "oneStore"; readonly address: string }
  /**
   * The server's policy does not permit this client the events of a namespace: its near cache is off, and each read goes to the
   * server. Somebody has to permit `subscribe`, or open the namespace with `nearCache: false`.
   */
  | { readonly kind: "nearCacheDenied"; readonly namespace: string }
  /**
   * The server takes no selectors for the namespaces of this many more near caches, for this cause: they are off, and each read
   * goes to the server. There are more namespaces than selectors, and no prefix of their names is permitted; or a name is longer
   * than the server takes.
   */
  | { readonly kind: "nearCachesLeftOut"; readonly nearCaches: number; readonly cause: string }
  /** A loader threw or took too long. Its key is not loaded again for up to `cooldownMs`. `error`: the name of its class. */
  | {
      readonly kind: "loadFailed";
      readonly namespace: string;
      readonly reason: "threw" | "timedOut";
      readonly error: string;
      readonly cooldownMs: number;
    }
  /** A loaded value was returned and not kept. Not reported for a loader that asked for it. */
  | {
      readonly kind: "loadUnkept";
      readonly namespace: string;
      readonly reason: Exclude<UnkeptReason, "asked">;
      readonly cause: string;
    }
  /** The codec could not decode an entry, which is a miss where the namespace says so (`undecodable: "miss"`). */
  | { readonly kind: "undecodable"; readonly namespace: string; readonly codec: string }
  /** A server refused this many names of queued invalidations for good. `cause`: the reason of the error. */
  | {
      readonly kind: "invalidationsRefused";
      readonly namespace: string;
      readonly names: number;
      readonly cause: string;
    }
  /** The client was closed, and this many messages of invalidations are not acknowledged: `close()` returns them. */
  | { readonly kind: "invalidationsLeft"; readonly invalidations: number }
  /** A bound was reached. `namespace` is empty where the bound is the client's. */
  | { readonly kind: "overflow"; readonly reason: OverflowKind; readonly namespace: string }
  /** A probed near hit contradicts the server although no event is missing: a defect of meshcache. */
  | { readonly kind: "probeViolation"; readonly namespace: string; readonly stalenessMs: number }
  /** A callback failed: a defect of the client, or of the application's telemetry. `at`: where, without the message. */
  | { readonly kind: "fault"; readonly error: string; readonly at: string };

export type ClientEventKind = ClientEventFacts["kind"];

/** "info": part of normal life. "warn": worse than it should be, and goes on. "error": somebody has to mend something. */
export type ClientEventLevel = "info" | "warn" | "error";

interface Reported {
  readonly level: ClientEventLevel;
  /** A sentence for a log. */
  readonly message: string;
  /** How many such events this report stands for: 1, or those of the last 10 s, whose last one it describes. */
  readonly count: number;
}

/**
 * What `onEvent` is given. New kinds may come with a minor release. A first event of its kind and of its namespace, address or
 * reason is reported at once, and those of the next 10 s together at their end.
 */
export type ClientEvent = ClientEventFacts extends infer Facts ? Facts & Reported : never;

export type ReportEvent = (event: ClientEventFacts) => void;

const LEVELS: Readonly<Record<ClientEventKind, ClientEventLevel>> = {
  connected: "info",
  connectFailed: "warn",
  connectionLost: "warn",
  unavailable: "error",
  serverDraining: "info",
  gap: "info",
  clocksDiverged: "info",
  twoStores: "error",
  oneStore: "info",
  nearCacheDenied: "error",
  nearCachesLeftOut: "warn",
  loadFailed: "warn",
  loadUnkept: "warn",
  undecodable: "warn",
  invalidationsRefused: "error",
  invalidationsLeft: "error",
  overflow: "warn",
  probeViolation: "error",
  fault: "error",
};

/** How often each kind happened. */
export type ClientEventCounts = Record<ClientEventKind, number>;

export function createEventCounts(): ClientEventCounts {
  return {
    connected: 0,
    connectFailed: 0,
    connectionLost: 0,
    unavailable: 0,
    serverDraining: 0,
    gap: 0,
    clocksDiverged: 0,
    twoStores: 0,
    oneStore: 0,
    nearCacheDenied: 0,
    nearCachesLeftOut: 0,
    loadFailed: 0,
    loadUnkept: 0,
    undecodable: 0,
    invalidationsRefused: 0,
    invalidationsLeft: 0,
    overflow: 0,
    probeViolation: 0,
    fault: 0,
  };
}

/** `count`: how many events this report stands for. */
export function toReport(facts: ClientEventFacts, count: number): ClientEvent {
  return { ...facts, level: LEVELS[facts.kind], message: messageOf(facts), count };
}

/** What events have in common that are reported together. */
export function subjectOf(facts: ClientEventFacts): string {
  const address = "address" in facts ? facts.address : "";
  const namespace = "namespace" in facts ? facts.namespace : "";
  const reason = "reason" in facts ? facts.reason : "";
  return `${facts.kind} ${address} ${namespace} ${reason}`;
}

function messageOf(facts: ClientEventFacts): string {
  switch (facts.kind) {
    case "connected":
      return `connected to ${facts.address}`;
    case "connectFailed":
      return `could not connect to ${facts.address} ${causeOf(facts)}`;
    case "connectionLost":
      return `the connection to ${facts.address} was lost (${facts.cause})`;
    case "unavailable":
      return (
        `${toSentence(`no server can be reached at ${facts.addresses.join(", ")} ${causeOf(facts)}`)} ` +
        "Until one answers, invalidations wait for it, other operations fail at once, and what loaders return is not stored"
      );
    case "serverDraining":
      return `the server at ${facts.address} is shutting down`;
    case "gap":
      return `events may be missing, because ${GAP_CAUSES[facts.cause]}: ${askedAgain(facts.suspectCopies)}`;
    case "clocksDiverged":
      return `${clockMove(facts.aheadMs)}: ${askedAgain(facts.suspectCopies)}`;
    case "twoStores":
      return (
        `two stores answer at ${facts.address}, each without the writes to the other: values may be old. ` +
        "Near caches are off until one remains. Run one store behind one address"
      );
    case "oneStore":
      return `one store remains at ${facts.address}: near caches are on again`;
    case "nearCacheDenied":
      return (
        `the server does not permit this client the events of namespace ${facts.namespace}: its near cache is off, and each ` +
        "read goes to the server. Permit `subscribe` there, or open the namespace with `nearCache: false`"
      );
    case "nearCachesLeftOut":
      return (
        `the server takes no selectors for the namespaces of ${amount(facts.nearCaches, "more near cache", "more near caches")} ` +
        `(${facts.cause}): each read of them goes to the server. Permit \`subscribe\` for a prefix that the names share, or ` +
        "raise subscriptionMaxSelectors of the server"
      );
    case "loadFailed":
      return `a loader of namespace ${facts.namespace} ${facts.reason === "threw" ? `threw ${facts.error}` : "took too long"}; its key is not loaded again for up to ${toDuration(facts.cooldownMs)}`;
    case "loadUnkept":
      return `a loaded value of namespace ${facts.namespace} was returned and not kept${UNTIL_MENDED[facts.reason]}: ${facts.cause}`;
    case "undecodable":
      return `the ${facts.codec} codec of namespace ${facts.namespace} could not decode an entry, which is a miss`;
    case "invalidationsRefused":
      return `a server refused queued invalidations of ${amount(facts.names, "name", "names")} of namespace ${facts.namespace}: ${facts.cause}`;
    case "invalidationsLeft":
      return `the client was closed before a server acknowledged ${amount(facts.invalidations, "invalidation", "invalidations")}`;
    case "overflow":
      return OVERFLOWS[facts.reason](facts.namespace);
    case "probeViolation":
      return `a near hit of namespace ${facts.namespace} was out of date by ${toDuration(facts.stalenessMs)} although no event is missing: please report it`;
    case "fault":
      return `a callback of the client or of its telemetry failed: ${facts.error} ${facts.at}`;
    default:
      return facts satisfies never;
  }
}

/** With a full stop, unless it has an end of its own. */
export const toSentence = (text: string): string => (/[.?!]$/.test(text) ? text : `${text}.`);

const causeOf = ({ problem, cause }: ConnectionFailure): string =>
  problem === "other" ? `(${cause})` : `(${cause}); ${adviceFor(problem)}`;

const amount = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

const askedAgain = (copies: number): string =>
  copies === 1
    ? "1 near copy is asked for again before it is served"
    : `${copies} near copies are asked for again before they are served`;

const clockMove = (aheadMs: number): string =>
  aheadMs < 0
    ? `the clock of the host was set back by ${toDuration(-aheadMs)}`
    : `the host was suspended for ${toDuration(aheadMs)}, or its clock was set forth by as much`;

const GAP_CAUSES: Readonly<Record<GapCause, string>> = {
  cursorExpired: "the server does not remember events from so long ago",
  epochChanged: "another server answers, or the same one after a restart",
  cursorAhead: "the server knows less than the one before it",
  overrun: "more events came than this client has read",
  unknown: "the server says so",
};

/** What nobody but the application can end. */
const EACH_TIME = ", so it is loaded each time";
const UNTIL_MENDED: Readonly<Record<UnkeptReason, string>> = {
  codec: EACH_TIME,
  tooLarge: EACH_TIME,
  options: EACH_TIME,
  asked: "",
  changed: "",
  held: "",
  outage: "",
};

const OVERFLOWS: Readonly<Record<OverflowKind, (namespace: string) => string>> = {
  operations: () =>
    "an operation was refused: as many wait or are under way as inFlightMaxOperations and inFlightMaxBytes allow",
  subscription: (namespace) =>
    `a reader of the events of namespace ${namespace} was too slow for its queueMaxEvents and got a gap`,
  failedLoads: (namespace) =>
    `more loads of namespace ${namespace} fail than are remembered, so keys are loaded before their cooldown is over`,
  invalidations: (namespace) =>
    `the invalidations of namespace ${namespace} that wait for a connection became a clear of the namespace`,
  reports: () =>
    "more different events happened within 10 s than are reported; stats().events counts all of them",
};
