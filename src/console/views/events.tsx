/** The invalidation stream of a namespace as it happens. */
import { useSignal } from "@preact/signals";
import { useCallback, useEffect, useMemo } from "preact/hooks";
import { matchingRows } from "../data/event-filter.ts";
import {
  EVENT_KINDS,
  type EventRow,
  type GapRow,
  ROWS_MAX,
  type Row,
  type StreamState,
} from "../data/live-events.ts";
import { plural, toCount } from "../format/numbers.ts";
import { toTraceLink } from "../format/trace-link.ts";
import { LongList } from "../ui/long-list.tsx";
import { usePage } from "../ui/page.ts";
import { Denied, Empty, Field, Heading, Panel, ProblemNotice } from "../ui/parts.tsx";
import { TextField } from "../ui/text-field.tsx";
import { useIsNarrow } from "../ui/use-is-narrow.ts";
import { KeyLink } from "./key-link.tsx";

/** As in events.css. */
const ROW_PX = { wide: 32, narrow: 52 } as const;

const STATES: Readonly<Record<StreamState, readonly [tone: string, text: string]>> = {
  idle: ["", "not following"],
  connecting: ["warn", "connecting"],
  live: ["good", "live"],
  paused: ["warn", "paused"],
  interrupted: ["bad", "interrupted"],
};

export function EventsView() {
  const { events, session, namespace } = usePage();
  const [asked, prefixes] = [useSignal(namespace.value), useSignal("")];
  const state = events.state.value;

  useEffect(() => {
    follow();
    return () => events.stop();
  }, []);

  function follow(): void {
    if (!session.may("subscribe") || asked.value.trim() === "") return;
    namespace.value = asked.value.trim();
    events.follow(
      namespace.value,
      prefixes.value
        .split(",")
        .map((prefix) => prefix.trim())
        .filter(Boolean),
    );
  }

  if (!session.may("subscribe")) return <Denied view="Live events" permission="subscribe" />;
  const [tone, word] = STATES[state];
  const isStopped = state === "paused";
  return (
    <div class="view">
      <Heading title="Live events">Every change of a namespace, as its subscribers are told of it.</Heading>
      <Panel>
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            follow();
          }}
        >
          <TextField label="Namespace" text={asked} isName isRequired />
          <TextField
            label="Key prefixes, with commas between"
            text={prefixes}
            isName
            grow
            placeholder="all keys"
          />
          <button type="submit" class="button main">
            Follow
          </button>
          <button
            type="button"
            class="button"
            disabled={state === "idle"}
            onClick={() => (isStopped ? events.resume() : events.pause())}
          >
            {isStopped ? "Resume" : "Pause"}
          </button>
          <button type="button" class="button" onClick={() => events.clear()}>
            Clear
          </button>
          <span class={`status ${tone}`} role="status">
            {word}
          </span>
        </form>
      </Panel>
      <ProblemNotice problem={events.problem.value} />
      <EventList />
    </div>
  );
}

function EventList() {
  const { events, session } = usePage();
  const [text, origin, kind] = [useSignal(""), useSignal(""), useSignal("")];
  /** The rows as they were when the person scrolled down, so that they stay where they are. */
  const held = useSignal<readonly Row[] | undefined>(undefined);
  const rows = events.rows.value;
  const filter = { text: text.value, origin: origin.value, kind: kind.value };
  const shown = useMemo(
    () => matchingRows(held.value ?? rows, filter),
    [held.value ?? rows, text.value, origin.value, kind.value],
  );
  const onTop = useCallback(
    (isAtTop: boolean) => {
      held.value = isAtTop ? undefined : events.rows.peek();
    },
    [events, held],
  );
  const isNarrow = useIsNarrow();
  const traceUrl = session.traceUrl.value;
  return (
    <Panel>
      <div class="stack">
        <div class="form">
          <TextField label="Key, tag or prefix contains" text={text} isSearch isName grow />
          <TextField label="Writer contains" text={origin} isSearch isName />
          <Field label="Kind">
            <select
              value={kind.value}
              onChange={(event) => {
                kind.value = event.currentTarget.value;
              }}
            >
              <option value="">all</option>
              {EVENT_KINDS.map((one) => (
                <option key={one} value={one}>
                  {one}
                </option>
              ))}
            </select>
          </Field>
        </div>
        <p class="soft small">
          {plural(events.received.value, "event")} received
          {events.gaps.value > 0 && (
            <>
              {" "}
              <span class="badge bad">{plural(events.gaps.value, "gap")}</span>
            </>
          )}
          {rows.length === ROWS_MAX && `, the last ${toCount(ROWS_MAX)} kept`}
          {shown.length !== rows.length && `, ${toCount(shown.length)} shown`}
          {held.value !== undefined &&
            ". The list stands still while you scroll; go to its top to follow again."}
        </p>
        {shown.length === 0 ? (
          <Empty title={rows.length === 0 ? "No events yet" : "No event matches"}>
            {rows.length === 0
              ? "Events come when something is set, touched or invalidated. Expiry and eviction make none."
              : "New events that match will appear here."}
          </Empty>
        ) : (
          <LongList
            label="Events, newest first"
            rows={shown}
            rowHeightPx={isNarrow ? ROW_PX.narrow : ROW_PX.wide}
            onTop={onTop}
            show={(row, topPx) =>
              row.row === "gap" ? (
                <Gap key={row.number} row={row} topPx={topPx} />
              ) : (
                <Event key={row.number} row={row} topPx={topPx} traceUrl={traceUrl} />
              )
            }
          />
        )}
      </div>
    </Panel>
  );
}

const TONES: Readonly<Record<string, string>> = { set: "accent", invalidated: "warn", staled: "warn" };

function Event({ row, topPx, traceUrl }: { row: EventRow; topPx: number; traceUrl: string }) {
  const link = toTraceLink(traceUrl, row.traceparent);
  return (
    <div class="event" style={{ top: `${topPx}px` }}>
      <span class="mono soft time">{toTime(row.atMs)}</span>
      <span>
        <span class={`badge ${TONES[row.kind] ?? ""}`}>{row.kind}</span>
      </span>
      <span class="target mono">
        <Target row={row} />
      </span>
      <span class="soft origin">{row.origin === "" ? "" : `by ${row.origin}`}</span>
      <span class="soft small place">
        {row.shards > 1 ? `${row.shards} shards` : `shard ${row.shard}, rev. ${toCount(row.revision)}`}
      </span>
      <span class="trace">
        {link !== undefined && (
          <a href={link} target="_blank" rel="noreferrer noopener">
            Trace
          </a>
        )}
      </span>
    </div>
  );
}

function Target({ row }: { row: EventRow }) {
  switch (row.targetKind) {
    case "key":
      return <KeyLink entryKey={row.target} />;
    case "tag":
      return <>tag {row.target}</>;
    case "prefix":
      return <>prefix {row.target}…</>;
    case "all":
      return <>the whole namespace</>;
    default:
      return row.targetKind satisfies never;
  }
}

function Gap({ row, topPx }: { row: GapRow; topPx: number }) {
  return (
    <div class="event gap" style={{ top: `${topPx}px` }}>
      <span class="mono time">{toTime(row.atMs)}</span>
      <span>gap</span>
      <span class="target">Events may be missing: {row.reason}.</span>
    </div>
  );
}

function toTime(atMs: number): string {
  const time = new Date(atMs);
  return `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}
