/** What the documents promise of hostile inputs, limits and invariants, each with the tests that prove it. */
import { LIMIT_BOUNDS, type Limits } from "../../src/rpc/limits.ts";
import { TRANSPORT_BOUNDS, type TransportLimits } from "../../src/server/limits/transport-limits.ts";
import { STORE_BOUNDS } from "../../src/store/engine/store-options.ts";

/** A file of tests, and the title of one in it. */
export type Proof = readonly [path: string, title: string];

export interface Promised {
  readonly what: string;
  readonly answer: string;
  readonly proofs: readonly Proof[];
}

const of =
  (path: string) =>
  (...titles: readonly string[]): Proof[] =>
    titles.map((title) => [`test/${path}.test.ts`, title]);

const ROTATION =
  "fails no permitted call and permits no other while certificates, keys and the policy are replaced";
const jwt = of("security/jwt");
const identity = of("security/identity");
const policy = of("security/policy");
const tls = of("security/tls");
const calls = of("server/hostile/calls");
const requests = of("server/hostile/requests");
const frames = of("server/hostile/frames");
const lifetimes = of("server/calls/calls");
const overload = of("server/limits/overload");
const events = of("server/streams/event-stream");
const exchange = of("server/streams/exchange");

export const IDENTITIES: readonly Promised[] = [
  {
    what: "`alg: none`; HS256 signed with the RSA key",
    answer: "`UNAUTHENTICATED`",
    proofs: jwt("alg none", "HS256 with the RSA key"),
  },
  {
    what: "`kid` with a path or SQL, or of 1 MiB",
    answer: "`UNAUTHENTICATED`",
    proofs: [
      ...jwt("a kid that is a path", "a kid that is SQL", "a kid of 4 KiB"),
      ...identity("are refused when they are wrong in any way, and none is repeated anywhere"),
    ],
  },
  {
    what: "`jku`, `x5u`, `jwk`",
    answer: "nothing is fetched, and no key is taken from them",
    proofs: jwt(
      "where a key would be, which is not looked at",
      "asks nobody for the key that a token's header names",
    ),
  },
  {
    what: "1,000 tokens with random `kid`s",
    answer: "one request for keys in 30 s",
    proofs: jwt("are asked for once in 30 s, whatever kids tokens name"),
  },
  {
    what: "wrong or missing `aud`, `iss` or `exp`; `nbf` in the future",
    answer: "`UNAUTHENTICATED`",
    proofs: jwt(
      "another audience",
      "no audience",
      "another issuer",
      "no issuer",
      "no exp",
      "an nbf in the future",
    ),
  },
  {
    what: "the server of the keys does not answer",
    answer:
      "the last keys are used for an hour; before the first ones, after that, and for a key that is not known `UNAVAILABLE`",
    proofs: jwt(
      "stay in use while the URL does not answer as it should",
      "are asked for at the start, and again when they are old",
      "are not trusted any more when the URL has not answered for an hour, until it does",
    ),
  },
  {
    what: "a token expires, or leaves its file, or its key leaves the set, while a stream is open",
    answer: "the stream ends within a minute",
    proofs: [
      ...jwt("lets calls with a token in, ends streams with their token, and refuses others"),
      ...identity("that leave the file end their streams, and those that stay go on"),
      ...of("security/rotation/rotation")(ROTATION),
    ],
  },
  {
    what: "the policy changes while a stream is open",
    answer: "calls follow it at once, and a stream that it denies ends within a minute",
    proofs: [
      ...policy(
        "change when the file does: calls at once, streams too, and those that are still permitted go on",
      ),
      ...of("security/rotation/rotation")(ROTATION),
    ],
  },
  {
    what: "the policy changes while a Lease waits",
    answer: "the call, or the operation, ends with `PERMISSION_DENIED`",
    proofs: policy(
      "end what waits for a lease when they are taken away, in each kind of call, and let others wait on",
    ),
  },
  {
    what: "wrong tokens on 50 connections",
    answer: "connections without a wrong one are not held back",
    proofs: jwt("on 50 connections of %s keep nobody from being verified who has sent none"),
  },
  {
    what: "two `authorization` headers",
    answer: "`UNAUTHENTICATED`",
    proofs: identity("are refused by %s, although each is a token"),
  },
  {
    what: "a client certificate that is absent, expired, foreign, or has two ids",
    answer: "no connection",
    proofs: [
      ...tls(
        "refuses absent, foreign, self-made, expired and future certificates, and one whose chain is not whole",
      ),
      ...identity("with two URIs, two DNS names or no name get no connection"),
    ],
  },
  {
    what: "an authority leaves while clients of it are connected, or in a handshake; others show its certificate beside their own",
    answer: "its clients end, and no others, on each port",
    proofs: of("security/certificates/replaced-authorities")(
      "keeps clients behind intermediates, and ends them when their root goes",
      "ends a client that shows a certificate of a trusted authority beside its own",
      "judges a handshake by the authorities at its end",
    ),
  },
  {
    what: "a certificate of a client's chain expires",
    answer: "streams end at once, connections within ten seconds",
    proofs: [
      ...of("security/certificates/shown-chain")("is that of the first certificate of its chain to expire"),
      ...identity("end their connections when %s, and their streams at once"),
    ],
  },
  {
    what: "`x-forwarded-client-cert`",
    answer: "ignored",
    proofs: identity("are not replaced by a header"),
  },
  {
    what: "a certificate and a token that are different entries of the policy",
    answer: "`UNAUTHENTICATED`",
    proofs: [
      ...policy("are those of one entry where a call has a certificate and a token"),
      ...identity("and tokens of one connection must stay the same principal, also while a stream lasts"),
    ],
  },
];

/** `command`: what tries more of it, for longer. */
export const INVARIANTS: readonly (Promised & { readonly command: string })[] = [
  {
    what: "a key is linearizable; a write without an answer may have happened or not",
    answer: "no violation",
    proofs: of("simulation/simulation")("keeps every promise in"),
    command: "npm run simulate -- --seeds 10000",
  },
  {
    what: "increments of a counter add up; one that is sent again adds once",
    answer: "no violation",
    proofs: [
      ...of("simulation/simulation")("keeps every promise in"),
      ...of("client/operations/increments")(
        "adds once when its stream ends before the answer, and is answered with its own sum",
      ),
    ],
    command: "npm run simulate -- --seeds 10000",
  },
  {
    what: "a listing has every key that is there all the time, whatever is written meanwhile",
    answer: "none is missed",
    proofs: [
      [
        "test/contract/store-listing.ts",
        "lists at least once what is there all the time, and nothing that never was, while others write",
      ],
      ...of("simulation/simulation")("keeps every promise in"),
    ],
    command: "npm run simulate -- --seeds 10000",
  },
  {
    what: "a compressed value comes back, near and far, whoever compresses; none is larger than a value may be",
    answer: "no other value",
    proofs: of("client/operations/compression")(
      "brings back every value, by every way of reading and writing, near and far",
    ),
    command: "npx vitest run --project meshcache test/client/operations",
  },
  {
    what: "a tag or a path that one server of Next.js has revalidated is so for all servers, at their next request",
    answer: "no stale page",
    proofs: [
      ...of("adapters/next/next")("show no stale page after a %s was revalidated on one of them"),
      ...of("adapters/next")(
        "discards what was being generated when its tag was revalidated, even if it is stored later",
      ),
    ],
    command: "npm run proof:next",
  },
  {
    what: "keys and namespaces of other interfaces, of any length and text, stay apart",
    answer: "no two have one key",
    proofs: of("adapters/foreign-keys")(
      "gives keys that the contract allows, different ones for different keys",
      "has no key of one namespace under the prefix of another",
    ),
    command: "npx vitest run --project meshcache test/adapters",
  },
  {
    what: "a stream is in order, without repetitions and gaps, and can be resumed after every event",
    answer: "nothing lost, nothing twice",
    proofs: [
      ...events("resumes without a lost or a repeated event"),
      ...of("store/events/subscriber")(
        "reads everything once or a gap, and resumes, whatever is appended between its holds",
      ),
    ],
    command: "npm run simulate -- --seeds 10000",
  },
  {
    what: "a near cache goes never back, shows own writes, and keeps no late fill",
    answer: "no violation: [Coherence](coherence.md) has the scenarios",
    proofs: of("coherence/scenarios")("proves every scenario by a test of its number"),
    command: "npm run simulate -- --seeds 10000",
  },
  {
    what: "what is read is no older than the lease, also behind a silent partition",
    answer: "no older read",
    proofs: of("coherence/hit-rule")(
      "scenario 13: a half-open connection is not trusted longer than the lease",
      "scenario 14: after a pause the first read checks the lease, before any timer runs",
    ),
    command: "npm run simulate -- --seeds 10000",
  },
  {
    what: "after a fault everybody agrees again",
    answer: "within two seconds",
    proofs: of("client/faulty-network")("resumes after a reset and misses nothing"),
    command: "npm run simulate -- --seeds 10000",
  },
  {
    what: "what one principal writes shows to no other, and in no span, metric or log line",
    answer: "not found in anything that leaves the server",
    proofs: [
      ...of("security/isolation/isolation")(
        "what one principal writes shows nowhere else, with acceleration %s",
      ),
      ...of("telemetry/canary")("contain no key, value, tag, prefix, token or header of calls that succeed"),
    ],
    command: "",
  },
  {
    what: "memory stays below its ceiling",
    answer: "that of `meshcache sizing`",
    proofs: of("server/limits/held-memory")(
      "bounds Gets that nobody reads, and another connection is served",
    ),
    command: "npm run proof:memory",
  },
  {
    what: "a namespace notices nothing of what another reads, writes and invalidates",
    answer:
      "the same hit ratio within a point, no lease refused, no deletion forgotten; of a million entries beside 8,000 tags a second too",
    proofs: of("store/engine/isolation")(
      "keeps the hit ratio of a namespace with a floor within one point, beside ten times its traffic",
      "keeps fences, leases and tombstones of a namespace, beside one that overflows them",
    ),
    command: "npm run proof:isolation",
  },
  {
    what: "a slow subscriber harms nobody",
    answer: "one `Gap` for it, every event for the others; cut when it takes nothing",
    proofs: events(
      "gets one Gap and uses bounded memory, while 50 others get every event",
      "is cut when it takes nothing for longer than stallMaxMs",
    ),
    command: "npm run attack",
  },
  {
    what: "overload",
    answer: "refused by kind, normal within 5 s of its end",
    proofs: overload(
      "sheds Sets of busy connections first, then their Gets, then those of others, and never all Gets of these",
      "is back to normal within 5 s of the end of the pressure",
    ),
    command: "npm run attack -- --only A8",
  },
  {
    what: "no input ends the server",
    answer: "the same process, `SERVING`, and no error that nobody handled",
    proofs: [
      ...calls("that is a mutated copy of a good one at most fails"),
      ...of("server/fast/single-stream-protocol")("survives any bytes"),
    ],
    command: "npm run fuzz; npm run fuzz -- --tls; npm run proof:endurance",
  },
  {
    what: "nothing is left behind by clients that come and go",
    answer: "no streams, no memory",
    proofs: [
      ...of("client/connection/cycles")("leave nothing behind after"),
      ...lifetimes("leave nothing behind"),
    ],
    command: "",
  },
  {
    what: "a server drains",
    answer: "no acknowledged write is lost to a client that goes on elsewhere, and it ends in time",
    proofs: of("server/shutdown")(
      "tells health and streams, refuses new streams, still serves calls, and ends in time",
    ),
    command: "",
  },
  {
    what: "a restart in order, with a snapshot",
    answer: "no gap, and no copy of a near cache is lost or stale; a copied file is another life",
    proofs: of("coherence/clean-restarts")(
      "scenario 38: a clean restart leaves all copies as they are, without a gap and without a question",
      "scenario 38: a copy of a snapshot is another life: whoever knows the first has a gap, and trusts nothing of it",
    ),
    command: "MESHCACHE_TRACES=FOLDER npm run proof:restarts; npm run proof:compose",
  },
  {
    what: "a snapshot on a full disk, or of a server that is killed while it writes",
    answer: "the next start is empty and says why, and nothing of the file is left",
    proofs: of("snapshot/interrupted-writes")(
      "leaves nothing of a snapshot, wherever it is full, and the next start is empty",
      "is found by the next start, which removes what it had written",
    ),
    command: "",
  },
  {
    what: "a snapshot that is damaged, truncated, or of another version, and the whole file of another server",
    answer:
      "the store begins empty and says why; of another server, no client trusts what it knew of its own",
    proofs: of("snapshot/snapshot")(
      "is refused, and never loaded in part, when a bit of it turns over",
      "is refused when it is cut off, at every end of a block and anywhere else",
      "of another version is refused, though all its checksums are right",
    ),
    command: "npm run simulate -- --seeds 10000",
  },
  {
    what: "a restart with another number of workers",
    answer: "nothing is lost that a restart with as many keeps",
    proofs: of("snapshot/other-workers")("keeps all that a snapshot keeps, with more of them and with fewer"),
    command: "npm run simulate -- --seeds 10000",
  },
  {
    what: "memory beside the store, to write a snapshot or to load one",
    answer: "less than 64 MiB",
    proofs: of("snapshot/memory")("takes less than 64 MiB beside the store to write, and to load"),
    command: "",
  },
  {
    what: "clocks that stop or jump",
    answer: "no hit past its end",
    proofs: of("coherence/clocks")(
      "scenario 33: a suspension counts in full for the TTL, to the millisecond",
    ),
    command: "npm run simulate -- --seeds 10000",
  },
  {
    what: "certificates, authorities, keys of tokens and the policy are replaced under load",
    answer: "no permitted call fails, and no other is permitted",
    proofs: of("security/rotation/rotation")(ROTATION),
    command: "npm run proof:rotation",
  },
  {
    what: "the policy is compiled right",
    answer: "as a naive interpreter decides, in 100,000 cases",
    proofs: policy("decides as a naive interpreter does, in 100,000 cases"),
    command: "SEED=1 npx vitest run test/security/policy.test.ts",
  },
];

type Limit = keyof Limits | keyof TransportLimits | keyof typeof STORE_BOUNDS;

const smuggling = of("http-proxy/smuggling");
const poisoning = of("http-proxy/poisoning");
const slowPeers = of("http-proxy/slow-peers");
const variants = of("http-proxy/variants");
const storing = of("http-proxy/storing");

export const HTTP: readonly Promised[] = [
  {
    what: "two lengths, a length and chunks, unknown or misspelt codings, folded headers, broken chunks, HTTP/0.9: 34 shapes",
    answer:
      "400 or 501, or one request that both sides see the same; what is behind an unclear end is not looked at",
    proofs: smuggling(
      "lets nothing through behind %s",
      "keeps apart the answers to requests that are sent at once",
    ),
  },
  {
    what: "an answer of the origin with two lengths, or none",
    answer: "502",
    proofs: smuggling("is a 502: %s"),
  },
  {
    what: "`X-Forwarded-Host`, `X-Original-URL` and 17 others that are in no key",
    answer: "the origin does not see them",
    proofs: poisoning("does not reach the origin: %s"),
  },
  {
    what: "`Host` of somebody else",
    answer: "421; the origin sees its own",
    proofs: poisoning("such as the host decides nothing, and others than the proxy's own are refused"),
  },
  {
    what: "`Connection` that names a header which the response varies by, or the credentials",
    answer: "a variant of its own; a private response",
    proofs: poisoning(
      "that the client says is of the connection alone is not what a variant is kept under",
      "credentials that the client says are of the connection alone still make a response private",
    ),
  },
  {
    what: "a `GET` with a body",
    answer: "handed on, and its answer is not stored",
    proofs: poisoning("the body of a GET is not, and neither is its answer stored"),
  },
  {
    what: "`/account/x.css`, `/account%2Fx.css`, `/static/../account` and others like them",
    answer: "the path that came is the key, and what the origin gets; no suffix makes anything storable",
    proofs: poisoning(
      "reaches the origin as it came, and is another key than the one it may mean: %s",
      "that looks like a file makes nothing storable that its headers do not",
    ),
  },
  {
    what: "a head of more than 16 KiB; one that takes too long; a body that takes too long",
    answer: "431, 408",
    proofs: slowPeers(
      "that sends a head of more than 16 KiB is refused",
      "that takes too long for the head of a request is told so, and put off",
      "that takes too long for a body does not keep a connection to the origin",
    ),
  },
  {
    what: "a client that takes nothing of its answer, or leaves",
    answer: "others and the store do not wait for it",
    proofs: slowPeers(
      "that takes nothing of an answer keeps neither the others nor the store waiting",
      "that leaves does not end the request that others wait for, and what it brings is stored",
      "that leaves ends a request that nobody else waits for",
    ),
  },
  {
    what: "an origin that stops, or whose body has no end",
    answer: "504, or a broken body; read no faster than the client takes it, and not kept",
    proofs: [
      ...slowPeers(
        "that does not answer in time is a 504, and one that stops in a body breaks it off",
        "that sends a body without an end is read no faster than the client takes it",
      ),
      ...storing("hands on bodies that are too long to be stored, as they come"),
    ],
  },
  {
    what: "`Vary` by a header that is different in each request",
    answer: "1,025 variants of a URL; others take their places",
    proofs: variants("keeps no more variants of a URL than there are places for them"),
  },
];

export const LIMITS: readonly {
  readonly setting: Limit;
  readonly answer: string;
  readonly proofs: readonly Proof[];
}[] = [
  limit("keyMaxBytes", "`FIELD_INVALID`", requests("out of its bound is refused")),
  limit("namespaceMaxBytes", "`FIELD_INVALID`", requests("%j is refused")),
  limit("tagMaxBytes", "`FIELD_INVALID`", requests("with %s out of its bound is refused")),
  limit("entryMaxTags", "`FIELD_INVALID`", requests("with %s out of its bound is refused")),
  limit("valueMaxBytes", "`FIELD_INVALID`", requests("with %s out of its bound is refused")),
  limit("batchMaxOperations", "`FIELD_INVALID`", requests("of 10,000 operations is refused")),
  limit(
    "batchMaxBytes",
    "`FIELD_INVALID`",
    requests("of more than 2 MiB is refused, and one larger than a message is cut off before"),
  ),
  limit("receiveMaxBytes", "`RESOURCE_EXHAUSTED`", calls("with a length of 4 GiB is RESOURCE_EXHAUSTED")),
  limit(
    "sendMaxBytes",
    "`LIMIT_EXCEEDED` for the operation",
    requests("whose results do not fit a message fails the operations that do not fit, one by one"),
  ),
  limit(
    "connectionMaxStreams",
    "the calls wait at the client",
    exchange("has all streams served that are advertised %s"),
  ),
  limit(
    "connectionMaxSubscriptions",
    "`RESOURCE_EXHAUSTED`",
    requests("beyond connectionMaxSubscriptions is RESOURCE_EXHAUSTED"),
  ),
  limit("connectionsMax", "closed at once", frames("are closed at once, and those within it are served")),
  limit("connectionIdleMs", "closed", lifetimes("is closed when it has been idle for long enough")),
  limit("connectionAgeMs", "asked to go", lifetimes("is closed at its age, after its calls")),
  limit(
    "connectionGraceMs",
    "closed",
    of("server/fast/single-stream")("gets GOAWAY at its age, and is closed after its grace"),
  ),
  limit(
    "keepaliveTimeMs",
    "pinged",
    lifetimes("that answers no keepalive is closed, and one that does is not"),
  ),
  limit(
    "keepaliveTimeoutMs",
    "closed",
    lifetimes("that answers no keepalive is closed, and one that does is not"),
  ),
  limit(
    "callMaxMs",
    "`DEADLINE_EXCEEDED`",
    lifetimes("without a deadline ends after callMaxMs with DEADLINE, and leaves no waiter behind"),
  ),
  limit("halfCloseMaxMs", "`DEADLINE_EXCEEDED`", calls("that never ends is DEADLINE_EXCEEDED in time")),
  limit("stallMaxMs", "cut", [
    ...events("is cut when it takes nothing for longer than stallMaxMs"),
    ...calls("that takes none of 50 replies of 1 MiB is cut in time"),
  ]),
  limit(
    "queueMaxBytes",
    "one `Gap`",
    events("gets one Gap and uses bounded memory, while 50 others get every event"),
  ),
  limit(
    "queuesMaxBytes",
    "one `Gap`",
    of("server/limits/overflow-counts")("says that the bound of the %s was full"),
  ),
  limit(
    "logMaxEvents",
    "the oldest are dropped",
    of("store/events/event-log")(
      "drops the oldest event for one more than the most, and the oldest page for one byte more",
    ),
  ),
  limit(
    "logMaxBytes",
    "the oldest are dropped",
    of("store/events/event-log")(
      "drops the oldest event for one more than the most, and the oldest page for one byte more",
    ),
  ),
  limit("subscriptionMaxPrefixes", "`FIELD_INVALID`", requests("to 10,000 prefixes is refused")),
  limit("headersMaxBytes", "the call is refused", calls("of 64 KiB are refused")),
  limit("headersMaxPairs", "the call is refused", calls("200 of them are refused")),
  limit(
    "connectionMaxHeldBytes",
    "calls wait, large ones are refused",
    of("server/limits/held-memory")("bounds Gets that nobody reads, and another connection is served"),
  ),
  limit(
    "heldMaxBytes",
    "calls wait, large ones are refused",
    of("server/limits/memory-account")(
      "refuses large requests, and never small ones, when there is no memory",
    ),
  ),
  limit(
    "shedDelayMs",
    "`UNAVAILABLE` with a pushback",
    overload("refuses with UNAVAILABLE and a pushback that differs from call to call, and counts it"),
  ),
  limit(
    "shedAfterMs",
    "`UNAVAILABLE` with a pushback",
    overload("does not shed for pressure that comes and goes"),
  ),
  limit(
    "residentMaxBytes",
    "Sets without a lease are refused",
    overload("refuses Sets alone at 90 % of its memory, at once, and takes them again below"),
  ),
  limit("handshakeMaxMs", "cut", tls("in time: whoever says nothing, or one byte after the other, is cut")),
  limit("handshakesMax", "the oldest is cut", tls("in number: the oldest makes room, and a client gets in")),
];

/** Its default comes from where it is enforced. */
export function defaultOf(setting: Limit): number {
  const bounds: Readonly<Record<string, { readonly fallback: number }>> = {
    ...LIMIT_BOUNDS,
    ...TRANSPORT_BOUNDS,
    ...STORE_BOUNDS,
  };
  const bound = bounds[setting];
  if (bound === undefined) throw new Error(`${setting} has no bound`);
  return bound.fallback;
}

function limit(setting: Limit, answer: string, proofs: readonly Proof[]) {
  return { setting, answer, proofs };
}
