/** The tables of the documents that come from the code, between `<!-- table: NAME -->` and `<!-- /table -->`. */
import { globSync, readFileSync } from "node:fs";
import { EXIT_MEANINGS } from "../../src/cli/output/exit-codes.ts";
import { ceilingBytes, memoryParts } from "../../src/cli/settings/memory-model.ts";
import { settingsSchema } from "../../src/cli/settings/settings.ts";
import { toMarkdownTable } from "../../src/cli/settings/table.ts";
import { observed, recorded } from "../../src/client/telemetry/instruments.ts";
import { originDuration, observed as proxyObserved } from "../../src/http-proxy/telemetry/instruments.ts";
import { type InstrumentRow, instruments } from "../../src/telemetry/instruments.ts";
import { rooms } from "../house/rooms.ts";
import { defaultOf, HTTP, IDENTITIES, INVARIANTS, LIMITS, type Proof } from "./proofs.ts";

/** The documents that have tables. */
export const tableFiles: readonly string[] = [
  "docs/architecture.md",
  "docs/cli.md",
  "docs/coherence.md",
  "docs/configuration.md",
  "docs/operations.md",
  "docs/proofs.md",
];

const TABLE = /<!-- table: ([\w ]+) -->\n([\s\S]*?)<!-- \/table -->/g;

/** Each table by its name: makes it from the code and from what people wrote into the one that is there. */
const TABLES: Readonly<Record<string, (current: string) => string>> = {
  settings: toMarkdownTable,
  "server metrics": () => metrics(Object.values(instruments)),
  "client metrics": () => metrics([...Object.values(recorded), ...Object.values(observed)]),
  "proxy metrics": () => metrics([originDuration, ...Object.values(proxyObserved)]),
  "exit codes": () =>
    table(
      ["exit code", "meaning"],
      EXIT_MEANINGS.map(([code, text]) => [`${code}`, text]),
    ),
  sizing: sizingTable,
  scenarios: scenarioTable,
  rooms: roomTable,
  "hostile identities": () =>
    table(
      ["what comes", "what it gets", "proven by"],
      IDENTITIES.map(({ what, answer, proofs }) => [what, answer, linksTo(proofs)]),
    ),
  "hostile HTTP": () =>
    table(
      ["what comes", "what it gets", "proven by"],
      HTTP.map(({ what, answer, proofs }) => [what, answer, linksTo(proofs)]),
    ),
  limits: () =>
    table(
      ["setting", "default", "beyond it", "proven by"],
      LIMITS.map(({ setting, answer, proofs }) => [
        `\`${setting}\``,
        defaultOf(setting).toLocaleString("en"),
        answer,
        linksTo(proofs),
      ]),
    ),
  invariants: () =>
    table(
      ["what holds", "how far", "proven by", "tried longer by"],
      INVARIANTS.map(({ what, answer, proofs, command }) => [
        what,
        answer,
        linksTo(proofs),
        command === ""
          ? ""
          : command
              .split("; ")
              .map((one) => `\`${one}\``)
              .join(", "),
      ]),
    ),
};

function linksTo(proofs: readonly Proof[]): string {
  return proofs.map(([path, title]) => `[${title}](../${path})`).join("; ");
}

/** The text of a document with its tables as they must be. Throws for a table that nobody makes. */
export function withTables(text: string): string {
  return text.replace(TABLE, (_, name: string, current: string) => {
    const make = TABLES[name];
    if (make === undefined) throw new Error(`nothing makes a table "${name}"`);
    return `<!-- table: ${name} -->\n${make(current)}\n<!-- /table -->`;
  });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`.replaceAll("|  |", "| |");
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

function metrics(rows: readonly InstrumentRow[]): string {
  const cells = rows.map(({ name, kind, unit, description, labels }) => [
    `\`${name}\``,
    kind,
    `\`${unit}\``,
    description,
    labels.map((label) => `\`${label}\``).join(", "),
  ]);
  return table(["instrument", "kind", "unit", "what", "labels"], cells);
}

/** The default settings, with two workers. */
function sizingTable(): string {
  const settings = settingsSchema.parse({ workers: 2 });
  const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  const rows = memoryParts(settings).map(({ part, bytes, from }) => [part, mebibytes(bytes), from]);
  return table(["part", "memory", "from"], [...rows, ["ceiling", mebibytes(ceilingBytes(settings)), ""]]);
}

/** The purposes are people's: they are kept, and a room without one is a fault that the test names. */
function roomTable(current: string): string {
  const purposes = new Map(
    [...current.matchAll(/^\| `([^`]+)` \| (.*?) \|/gm)].map(([, room = "", purpose = ""]) => [
      room,
      purpose,
    ]),
  );
  const cells = Object.entries(rooms).map(([room, allowed]) => [
    `\`${room}\``,
    purposes.get(room) ?? "",
    allowed.map((other) => `\`${other}\``).join(", ") || "nothing",
  ]);
  return table(["room", "what it is for", "may import"], cells);
}

/** COHERENCE: what each scenario is, and what closes it. The tests are found by their titles. */
const SCENARIOS: readonly (readonly [scenario: string, closedBy: string])[] = [
  ["read v1; write v2; the invalidation arrives before the read's reply", "fill rule"],
  [
    "reply and invalidation in one TCP chunk: the event is handled synchronously, the promise in a later microtask",
    "fill rule at the insert, not at the receipt",
  ],
  ["the namespace is cleared while a read is in flight", "`all` events obey the fill rule"],
  ["a marker of a read in flight is evicted under capacity", "there are no markers"],
  ["a late event is older than the cached value", "it is ignored when its revision ≤ the entry's `as_of`"],
  ["the echo of an own write evicts the fresh value", "as 5"],
  [
    "the invalidation of a later write arrives before the answer to one's own Set",
    "the local insert of a Set obeys the fill rule",
  ],
  ["the first read races the subscription", "nothing is kept before `Opened`"],
  ["the stream is dropped, writes are missed, it resumes within the window", "bypass until caught up"],
  ["it resumes past the window", "`Gap`"],
  ["one single event is missed on a quiet key", "frame sequence numbers without holes"],
  ["a server restart reuses revisions", "epoch"],
  ["half-open TCP", "hit rule"],
  ["the process is paused, then reads at once", "hit rule, checked on each read"],
  ["heartbeats are delayed in buffers", "age counts from when the ping was sent"],
  ["progress overtakes events", "one queue"],
  ["a slow subscriber", "bounded, then `Gap`; never silent"],
  ["a loader reads an old row; invalidate; Set", "the lease's token is void"],
  ["a *tag* is invalidated during the load", "the lease's revision against the tag fences"],
  ["a background refresh overwrites a newer Set", "a refresh holds a lease or uses `if_version`"],
  ["two commits 1, 2 arrive as Sets 2, 1", "`source_version` and a tombstone"],
  ["an expired lease holder writes late", "`LEASE_LOST`"],
  ["a lease holder crashes", "expiry promotes the next waiter"],
  ['"absent" is cached, then the key is created', "the miss carries `as_of`, the create emits an event"],
  [
    "the TTL is shortened by Touch, or the key is evicted and reloaded",
    "`TOUCHED` event; age from the send time",
  ],
  [
    "an invalidated value is resurrected from a second tier",
    "copies carry stamps and obey the fences; today the only second tier is a suspect copy",
  ],
  ["a pruned tag fence", "the floor: in the safe direction only"],
  [
    "a read is served by a replica that lags",
    "servers of a [shared tier](tier.md) read of primaries alone, which refuse once they are none; a client does not keep an answer older than what it knows",
  ],
  [
    "a conditional Set is retried after an ambiguous timeout",
    "answered the same, not `EXISTS` (request ids)",
  ],
  ["selectors are widened in mid-stream", "the new range is cached only after its `Opened`"],
  ["mass reconnect", "suspects, batched revalidation, jitter"],
  ["a batch's invalidations are applied half-way", "events of one revision apply atomically"],
];

/** Those beyond the first table, by their numbers. */
const LATER_SCENARIOS: ReadonlyMap<number, readonly [scenario: string, closedBy: string]> = new Map([
  [
    33,
    [
      "the host is suspended: the monotonic clock stood still; or the wall clock is set",
      "hits read one clock; a pulse within the ping interval compares wall and monotonic time, and divergence in either direction makes copies suspect",
    ],
  ],
  [
    34,
    [
      "an invalidation is issued while the connection is gone",
      "queued (bounded; overflow becomes a clear of the namespace), local copies gone at once, sent before anything else on the next stream; what is queued also bars outage copies and the keeping of loads begun earlier",
    ],
  ],
  [
    35,
    [
      "a copy is served during an outage (`outageTtlMs`)",
      "only by explicit choice, marked, never after a gap was seen, ends at reconnection",
    ],
  ],
  [
    36,
    [
      "a lease's holder dies with its stream",
      "the lease ends with the stream and a fill by the dead is `LEASE_LOST`; leases of a stream that was replaced move with the client; unary leases end by time",
    ],
  ],
  [
    37,
    [
      "two stores behind one address",
      "epochs E1→E2→E1 at one address without Draining: warned, near caches off until one remains; a client that never reconnects does not see it",
    ],
  ],
  [
    38,
    [
      "the server is stopped in order, and goes on with what it had",
      "a new epoch that continues the old one up to its end revisions: copies, cursors and versions of up to there stay good; two lives of one snapshot are two epochs",
    ],
  ],
  [39, ["the server crashes after it was started with a snapshot", "new epoch, without a predecessor"]],
]);

/** All scenarios by their numbers. */
export const scenarios: ReadonlyMap<number, readonly [scenario: string, closedBy: string]> = new Map([
  ...SCENARIOS.map((scenario, index) => [index + 1, scenario] as const),
  ...[...LATER_SCENARIOS].sort(([one], [other]) => one - other),
]);

export interface ScenarioTest {
  readonly path: string;
  readonly title: string;
}

/** The tests of each scenario, by its number. */
export function scenarioTests(): Map<number, ScenarioTest[]> {
  const found = globSync("test/coherence/**/*.test.ts")
    .sort()
    .flatMap((path) =>
      [...readFileSync(path, "utf8").matchAll(/"scenario (\d+): ((?:[^"\\]|\\.)+)"/g)].map(
        ([, number, title = ""]) => ({ number: Number(number), path, title }),
      ),
    );
  return Map.groupBy(found, ({ number }) => number);
}

function scenarioTable(): string {
  const tests = scenarioTests();
  const cells = Array.from(scenarios, ([number, [scenario, closedBy]]) => {
    const links = (tests.get(number) ?? []).map(({ path, title }) => `[${title}](../${path})`);
    return [`${number}`, scenario, closedBy, links.join("; ")];
  });
  return table(["#", "scenario", "closed by", "proven by"], cells);
}
