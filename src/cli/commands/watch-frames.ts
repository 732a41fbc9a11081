/** Prints the frames of an invalidation stream: events on stdout, remarks about the stream on stderr. */
import {
  type Event,
  Event_Kind,
  Gap_Reason,
  type StreamResponse,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { toJsonLine } from "../output/json.ts";
import { writeLine } from "../output/terminal.ts";
import { oneLine } from "../output/text.ts";
import type { Session } from "../service/session.ts";
import { toJsonStamp } from "./entry.ts";

export interface FramePrinter {
  print(frame: StreamResponse): Promise<void>;
  disconnected(): Promise<void>;
  /** Whether a stream has been open. */
  opened(): boolean;
  /** Whether `maxLines` lines of events have been printed. */
  full(): boolean;
}

const KINDS: Readonly<Record<number, string>> = {
  [Event_Kind.SET]: "set",
  [Event_Kind.INVALIDATED]: "invalidated",
  [Event_Kind.STALED]: "staled",
  [Event_Kind.TOUCHED]: "touched",
};

const GAPS: Readonly<Record<number, readonly [code: string, words: string]>> = {
  [Gap_Reason.CURSOR_EXPIRED]: ["CURSOR_EXPIRED", "the server no longer has the events since then"],
  [Gap_Reason.EPOCH_CHANGED]: ["EPOCH_CHANGED", "the server has restarted and is empty"],
  [Gap_Reason.CURSOR_AHEAD]: ["CURSOR_AHEAD", "the cursor is ahead of the server"],
  [Gap_Reason.OVERRUN]: ["OVERRUN", "this reader was too slow"],
};

export function createFramePrinter(session: Session, namespace: string, maxLines: number): FramePrinter {
  const { terminal, json } = session;
  let state: "new" | "live" | "lost" | "resuming" = "new";
  let lines = 0;

  /** Something about the stream: a frame for programs, a remark on stderr for people. */
  const remark = (frame: object, words: string) =>
    json ? writeLine(terminal.stdout, toJsonLine(frame)) : writeLine(terminal.stderr, words);

  const printEvents = async (events: readonly Event[], cursor: Uint8Array): Promise<void> => {
    const rows = json
      ? events.map((event, index) =>
          toJsonLine({
            ...toJsonEvent(event),
            ...(index === events.length - 1 ? { cursor: toBase64(cursor) } : {}),
          }),
        )
      : groupEvents(events).map(describeGroup);
    for (const row of rows.slice(0, maxLines - lines)) await writeLine(terminal.stdout, row);
    lines += rows.length;
  };

  return {
    opened: () => state !== "new",
    full: () => lines >= maxLines,
    async disconnected() {
      // Once, not at every attempt to reconnect.
      if (state === "live") await remark({ frame: "disconnected" }, "-- connection lost, reconnecting");
      state = "lost";
    },
    async print({ frame }) {
      switch (frame.case) {
        case "opened": {
          const { cursor, epoch, shards } = frame.value;
          const first = state === "new";
          state = first ? "live" : "resuming";
          const place = `namespace ${oneLine(namespace)} at ${session.address}`;
          if (json) {
            return writeLine(
              terminal.stdout,
              toJsonLine({ frame: "opened", epoch, shards, cursor: toBase64(cursor) }),
            );
          }
          // After a reconnection the remark comes once the stream has caught up.
          return first ? writeLine(terminal.stderr, `-- watching ${place} (Ctrl-C ends)`) : undefined;
        }
        case "events":
          return printEvents(frame.value.events, frame.value.cursor);
        case "progress": {
          const { cursor } = frame.value;
          if (json)
            return writeLine(terminal.stdout, toJsonLine({ frame: "progress", cursor: toBase64(cursor) }));
          if (state === "resuming")
            await writeLine(terminal.stderr, "-- connected again, nothing was missed");
          state = "live";
          return;
        }
        case "gap": {
          const { reason, cursor, epoch } = frame.value;
          const [code, words] = GAPS[reason] ?? ["UNKNOWN", "for a reason that this version does not know"];
          state = "live";
          return remark(
            { frame: "gap", reason: code, epoch, cursor: toBase64(cursor) },
            `-- GAP: events may be missing (${words}); anything read before may be stale`,
          );
        }
        case "draining":
          return remark({ frame: "draining" }, "-- the server is shutting down");
        default:
          return; // A frame of a newer server. The known frames carry all cursors.
      }
    },
  };
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function kindOf(event: Event): string {
  return KINDS[event.kind] ?? "unknown";
}

function toJsonEvent({ target, stamp, origin, traceparent, namespace, ...event }: Event): object {
  return {
    frame: "event",
    kind: KINDS[event.kind] ?? "unknown",
    namespace,
    ...(target.case === undefined ? {} : { [target.case]: target.value }),
    stamp: toJsonStamp(stamp),
    ...(origin === "" ? {} : { origin }),
    ...(traceparent === "" ? {} : { traceparent }),
  };
}

/**
 * Groups the events of one frame that come from the same change: the invalidation of a tag, a prefix or a namespace is
 * one event of every shard, and is shown as one line.
 */
function groupEvents(events: readonly Event[]): Event[][] {
  const groups: Event[][] = [];
  for (const event of events) {
    const first = groups.at(-1)?.[0];
    if (event.target.case !== "key" && first !== undefined && areOfOneChange(first, event))
      groups.at(-1)?.push(event);
    else groups.push([event]);
  }
  return groups;
}

function areOfOneChange(one: Event, other: Event): boolean {
  return (
    one.kind === other.kind &&
    one.target.case === other.target.case &&
    one.target.value === other.target.value &&
    one.origin === other.origin &&
    one.traceparent === other.traceparent
  );
}

function describeGroup(group: readonly Event[]): string {
  const [event] = group;
  if (event === undefined) return "";
  const { target, stamp, origin } = event;
  const what =
    target.case === "all" ? "all" : `${target.case ?? "unknown"} ${oneLine(String(target.value ?? ""))}`;
  const where =
    group.length > 1 ? `${group.length} shards` : `shard ${stamp?.shard} revision ${stamp?.revision}`;
  return [
    new Date().toISOString().slice(11, 23),
    kindOf(event).padEnd(11),
    what,
    `(${where}${origin === "" ? "" : `, by ${oneLine(origin)}`})`,
  ].join("  ");
}
