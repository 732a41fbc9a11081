/** Looks a key up: what the store has, who may read it, what would hit it, and its value behind a click. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import {
  type EntryInfo,
  EntryState,
  type FenceInfo,
  FenceKind,
  type InspectEntryResponse,
} from "../../../gen/meshcache/v1/admin_pb.ts";
import type { Hit } from "../../../gen/meshcache/v1/cache_pb.ts";
import { type Problem, toProblem } from "../data/problem.ts";
import { NOTHING, plural, toCount, toDuration, toHexId, toSize } from "../format/numbers.ts";
import { usePage } from "../ui/page.ts";
import { Denied, Empty, Facts, Heading, Notice, Panel } from "../ui/parts.tsx";
import { type Column, Table } from "../ui/table.tsx";
import { TextField } from "../ui/text-field.tsx";
import { Invalidate } from "./invalidate.tsx";
import { ValuePanel } from "./value.tsx";

interface Found {
  readonly namespace: string;
  readonly key: string;
  readonly answer: InspectEntryResponse;
}

export function EntryView() {
  const { api, session, namespace, key } = usePage();
  const found = useSignal<Found | undefined>(undefined);
  const problem = useSignal<Problem | undefined>(undefined);
  const isBusy = useSignal(false);

  async function lookUp(): Promise<void> {
    const asked = { namespace: namespace.value.trim(), key: key.value };
    if (asked.namespace === "" || asked.key === "") return;
    isBusy.value = true;
    try {
      found.value = { ...asked, answer: await api.admin.inspectEntry(asked) };
      problem.value = undefined;
    } catch (cause) {
      found.value = undefined;
      problem.value = toProblem(cause);
    } finally {
      isBusy.value = false;
    }
  }
  // A key that another view has handed over.
  useEffect(() => void lookUp(), []);

  if (!session.may("inspect")) return <Denied view="Entry" permission="inspect" />;
  return (
    <div class="view">
      <Heading title="Entry">
        What the store has for a key. Looking counts as no read, and keeps nothing alive.
      </Heading>
      <Panel>
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            void lookUp();
          }}
        >
          <TextField label="Namespace" text={namespace} isName isRequired />
          <TextField label="Key" text={key} isName isRequired grow />
          <button type="submit" class="button main" disabled={isBusy.value}>
            Look up
          </button>
        </form>
      </Panel>
      {problem.value !== undefined && <Notice tone="bad">{problem.value.text}</Notice>}
      {found.value === undefined ? (
        problem.value === undefined && (
          <Panel>
            <Empty title="No key looked up yet">
              Type a key, or choose one in the live events. The value itself is shown only when you ask for
              it.
            </Empty>
          </Panel>
        )
      ) : (
        <Result found={found.value} onChanged={() => void lookUp()} />
      )}
    </div>
  );
}

function Result({ found, onChanged }: { found: Found; onChanged: () => void }) {
  const { namespace, key, answer } = found;
  const { entry, fences, asOf } = answer;
  return (
    <>
      <div class="columns">
        <Panel title="Entry" about={asOf && `shard ${asOf.shard}, revision ${toCount(asOf.revision)}`}>
          {entry?.hit === undefined ? (
            <Empty title="Nothing">The store has nothing for this key.</Empty>
          ) : (
            <EntryFacts entry={entry} hit={entry.hit} epoch={asOf?.epoch ?? 0n} />
          )}
        </Panel>
        <Invalidate
          key={`${namespace} ${key}`}
          namespace={namespace}
          entryKey={key}
          tags={entry?.hit?.tags ?? []}
          onChanged={onChanged}
        />
      </div>
      {entry?.hit !== undefined && entry.state !== EntryState.GONE && !entry.hit.absent && (
        <ValuePanel
          key={`${namespace} ${key} ${asOf?.epoch}`}
          namespace={namespace}
          entryKey={key}
          entry={entry}
          hit={entry.hit}
          onChanged={onChanged}
        />
      )}
      <Fences fences={fences} hasEntry={entry !== undefined} />
    </>
  );
}

const STATES: Readonly<Record<number, readonly [tone: string, word: string, meaning: string]>> = {
  [EntryState.FRESH]: ["good", "fresh", "every read finds it"],
  [EntryState.EXPIRED]: ["warn", "expired", "past its TTL: only reads that allow stale values find it"],
  [EntryState.STALED]: ["warn", "stale", "invalidated softly: only reads that allow stale values find it"],
  [EntryState.GONE]: ["bad", "gone", "no read finds it; its memory is freed soon"],
};

function EntryFacts({ entry, hit, epoch }: { entry: EntryInfo; hit: Hit; epoch: bigint }) {
  const [tone, word, meaning] = STATES[entry.state] ?? ["", "unknown", ""];
  return (
    <Facts
      facts={[
        [
          "State",
          <>
            <span class={`badge ${tone}`}>{word}</span> <span class="soft small">{meaning}</span>
          </>,
        ],
        ["Age", toDuration(Number(hit.ageMs))],
        ["Fresh for", freshFor(entry, hit)],
        ["Stale window", staleFor(entry, hit)],
        ["Value", hit.absent ? "absent: the source has no such record" : toSize(Number(entry.valueBytes))],
        ["Content type", hit.contentType || NOTHING],
        ["Content encoding", hit.contentEncoding || NOTHING],
        ["Tags", hit.tags.length === 0 ? NOTHING : hit.tags.map((tag) => <code key={tag}>{tag} </code>)],
        ["Version", toCount(hit.version)],
        ["Source version", hit.sourceVersion === 0n ? NOTHING : toCount(hit.sourceVersion)],
        ["Epoch", <code key="epoch">{toHexId(epoch)}</code>],
      ]}
    />
  );
}

function freshFor({ state }: EntryInfo, hit: Hit): string {
  if (state !== EntryState.FRESH) return "no more";
  return hit.ttlRemainingMs === 0n
    ? "until it is invalidated or evicted"
    : toDuration(Number(hit.ttlRemainingMs));
}

function staleFor({ state }: EntryInfo, hit: Hit): string {
  if (state === EntryState.GONE) return "over";
  if (hit.staleRemainingMs > 0n) {
    return `${toDuration(Number(hit.staleRemainingMs))}${state === EntryState.FRESH ? " after that" : " more"}`;
  }
  return hit.stale ? "without an end" : "none";
}

const KINDS: Readonly<Record<FenceKind, string>> = {
  [FenceKind.UNSPECIFIED]: "unknown",
  [FenceKind.TAG]: "tag",
  [FenceKind.PREFIX]: "prefix",
  [FenceKind.NAMESPACE]: "namespace",
};

const HIT = "This entry";

const FENCES: readonly Column<FenceInfo>[] = [
  {
    title: "What was invalidated",
    wraps: true,
    show: ({ kind, name }) => (
      <>
        {KINDS[kind]}{" "}
        {name === "" ? (
          kind === FenceKind.PREFIX && <span class="soft">of several merged ones</span>
        ) : (
          <code>{name}</code>
        )}
      </>
    ),
  },
  {
    title: HIT,
    show: ({ covers }) =>
      covers ? (
        <span class="badge bad">hit: set before it</span>
      ) : (
        <span class="badge good">not hit: set after it</span>
      ),
  },
  { title: "At revision", isNumber: true, show: ({ revision }) => toCount(revision) },
  { title: "Makes entries", show: ({ soft }) => (soft ? "stale" : "gone") },
];

function Fences({ fences, hasEntry }: { fences: readonly FenceInfo[]; hasEntry: boolean }) {
  const columns = hasEntry ? FENCES : FENCES.filter((column) => column.title !== HIT);
  return (
    <Panel
      title="Invalidations that match"
      about={fences.length === 0 ? undefined : plural(fences.length, "fence")}
    >
      {fences.length === 0 ? (
        <p class="soft">
          None is kept of its tags, its prefixes or its namespace. They are dropped once what they cover is
          swept.
        </p>
      ) : (
        <Table
          label="Invalidations that match"
          columns={columns}
          rows={fences}
          id={({ kind, name, revision, soft }) => `${kind} ${name} ${revision} ${soft}`}
        />
      )}
    </Panel>
  );
}
