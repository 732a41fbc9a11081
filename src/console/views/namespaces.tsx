/** The busiest namespaces: what they hold, and what is done with them. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { type NamespaceFigures, type NamespaceReading, namespacesBetween } from "../data/namespace-rates.ts";
import { orNothing, plural, toCount, toPercent, toRate, toShort, toSize } from "../format/numbers.ts";
import { usePage } from "../ui/page.ts";
import { Denied, Empty, Heading, NotRead, Panel, ProblemNotice } from "../ui/parts.tsx";
import { type Column, Table } from "../ui/table.tsx";
import { TextField } from "../ui/text-field.tsx";
import { usePoll } from "../ui/use-poll.ts";

const INTERVAL_MS = 2_000;
const NAMESPACES_MAX = 200;

const OTHERS = "all others";
const BOUNDS = "Floor – ceiling";

const COLUMNS: readonly Column<NamespaceFigures>[] = [
  {
    title: "Namespace",
    wraps: true,
    show: ({ name }) => (name === "" ? <span class="soft">{OTHERS}</span> : <NamespaceName name={name} />),
    sort: ({ name }) => name,
  },
  {
    title: "Reads",
    isNumber: true,
    show: ({ reads }) => orNothing(reads, toRate),
    sort: ({ reads }) => reads || 0,
  },
  {
    title: "Hit ratio",
    isNumber: true,
    show: ({ hitRatio, isRatioOfAll }) =>
      isRatioOfAll && !Number.isNaN(hitRatio) ? (
        <span class="soft" title="Of all reads so far: there are none now">
          {toPercent(hitRatio)}
        </span>
      ) : (
        orNothing(hitRatio, toPercent)
      ),
    sort: ({ hitRatio }) => hitRatio || 0,
  },
  {
    title: "Sets",
    isNumber: true,
    show: ({ sets }) => orNothing(sets, toRate),
    sort: ({ sets }) => sets || 0,
  },
  {
    title: "Entries",
    isNumber: true,
    show: ({ entries }) => toShort(entries),
    sort: ({ entries }) => entries,
  },
  { title: "Memory", isNumber: true, show: ({ bytes }) => toSize(bytes), sort: ({ bytes }) => bytes },
  {
    title: BOUNDS,
    isNumber: true,
    show: ({ floorBytes, ceilingBytes }) =>
      floorBytes === 0 && ceilingBytes === 0
        ? orNothing(undefined, toSize)
        : `${toSize(floorBytes)} – ${ceilingBytes === 0 ? "none" : toSize(ceilingBytes)}`,
  },
  invalidated("Keys", "keys"),
  invalidated("Tags", "tags"),
  invalidated("Prefixes", "prefixes"),
  invalidated("All", "all"),
  {
    title: "Evicted",
    isNumber: true,
    show: ({ evictedForRoom }) => toShort(evictedForRoom),
    sort: ({ evictedForRoom }) => evictedForRoom,
  },
];

function invalidated(title: string, what: keyof NamespaceFigures["invalidations"]): Column<NamespaceFigures> {
  return {
    title,
    group: "Invalidated",
    isNumber: true,
    show: ({ invalidations }) => toShort(invalidations[what]),
    sort: ({ invalidations }) => invalidations[what],
  };
}

/** Leads to the events of the namespace. */
function NamespaceName({ name }: { name: string }) {
  const { namespace } = usePage();
  return (
    <button
      type="button"
      class="button link"
      title="Follow its events"
      onClick={() => {
        namespace.value = name;
        globalThis.location.hash = "#events";
      }}
    >
      {name}
    </button>
  );
}

export function NamespacesView() {
  const { api, session, nowMs } = usePage();
  const wanted = useSignal("");
  const last = useRef<NamespaceReading | undefined>(undefined);
  const poll = usePoll("namespaces", INTERVAL_MS, async (signal) => {
    const stats = await api.admin.stats({ namespacesMax: NAMESPACES_MAX }, { signal });
    const reading = { atMs: nowMs(), stats };
    const figures = namespacesBetween(last.current, reading);
    last.current = reading;
    return figures;
  });
  if (!session.may("observe") || poll.problem.value?.kind === "denied")
    return <Denied view="Namespaces" permission="observe" />;
  const all = poll.answer.value;
  // The row of all others says nothing while there are none.
  const named = all?.filter(({ name, entries, reads }) => name !== "" || entries > 0 || reads > 0) ?? [];
  const hasBounds = named.some(({ floorBytes, ceilingBytes }) => floorBytes + ceilingBytes > 0);
  const columns = hasBounds ? COLUMNS : COLUMNS.filter((column) => column.title !== BOUNDS);
  const shown = named.filter(({ name }) => (name || OTHERS).includes(wanted.value.trim()));
  return (
    <div class="view">
      <Heading title="Namespaces">
        {named.length > 0 &&
          `${plural(named.filter(({ name }) => name !== "").length, "namespace")} with the most reads and Sets`}
      </Heading>
      <ProblemNotice problem={poll.problem.value} />
      {all === undefined ? (
        <NotRead what="counters" problem={poll.problem.value} />
      ) : named.length === 0 ? (
        <Panel>
          <Empty title="No namespaces yet">A namespace appears with its first read or Set.</Empty>
        </Panel>
      ) : (
        <Panel>
          <div class="stack">
            <div class="form">
              <TextField label="Name contains" text={wanted} isSearch />
              <span class="soft small">
                Reads and Sets are of the last {INTERVAL_MS / 1_000} s; invalidations and evictions of all
                time. Showing {toCount(shown.length)}.
              </span>
            </div>
            <Table
              label="Namespaces"
              columns={columns}
              rows={shown}
              id={({ name }) => name}
              sortedBy="Reads"
            />
          </div>
        </Panel>
      )}
    </div>
  );
}
