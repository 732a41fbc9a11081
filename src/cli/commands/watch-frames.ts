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

type Frame<Case extends StreamResponse["frame"]["case"]> = Extract<
  StreamResponse["frame"],
  { case: Case }
>["value"];

export class FramePrinter {
  readonly #session: Session;
  readonly #namespace: string;
  readonly #maxLines: number;
  #state: "new" | "live" | "lost" | "resuming" = "new";
  #lines = 0;

  constructor(session: Session, namespace: string, maxLines: number) {
    this.#session = session;
    this.#namespace = namespace;
    this.#maxLines = maxLines;
  }

  /** Whether a stream has been open. */
  get opened(): boolean {
    return this.#state !== "new";
  }

  /** Whether `maxLines` lines of events have been printed. */
  get full(): boolean {
    return this.#lines >= this.#maxLines;
  }

  async disconnected(): Promise<void> {
    const known = this.#state === "lost";
    this.#state = "lost";
    // Once, not at every attempt to reconnect.
    if (!known) await this.#report({ frame: "disconnected" }, "-- connection lost, reconnecting");
  }

  async print({ frame }: StreamResponse): Promise<void> {
    switch (frame.case) {
      case "opened":
        return this.#printOpened(frame.value);
      case "events":
        return this.#printEvents(frame.value);
      case "progress":
        return this.#printProgress(frame.value);
      case "gap":
        return this.#printGap(frame.value);
      case "draining":
        return this.#report({ frame: "draining" }, "-- the server is shutting down");
      default:
        return; // A frame of a newer server. The known frames carry all cursors.
    }
  }

  #printOpened({ cursor, epoch, shards }: Frame<"opened">): Promise<void> {
    const first = this.#state === "new";
    this.#state = first ? "live" : "resuming";
    const place = `namespace ${oneLine(this.#namespace)} at ${this.#session.address}`;
    return this.#report(
      { frame: "opened", epoch, shards, cursor: toBase64(cursor) },
      // After a reconnection the remark comes once the stream has caught up.
      first ? `-- watching ${place} (Ctrl-C ends)` : undefined,
    );
  }

  async #printEvents({ events, cursor }: Frame<"events">): Promise<void> {
    const rows = this.#session.json
      ? events.map((event, index) =>
          toJsonLine({
            ...toJsonEvent(event),
            ...(index === events.length - 1 ? { cursor: toBase64(cursor) } : {}),
          }),
        )
      : groupEvents(events).map(describeGroup);
    for (const row of rows.slice(0, this.#maxLines - this.#lines)) {
      await writeLine(this.#session.terminal.stdout, row);
    }
    this.#lines += rows.length;
  }

  #printProgress({ cursor }: Frame<"progress">): Promise<void> {
    const resumed = this.#state === "resuming";
    this.#state = "live";
    return this.#report(
      { frame: "progress", cursor: toBase64(cursor) },
      resumed ? "-- connected again, nothing was missed" : undefined,
    );
  }

  #printGap({ reason, cursor, epoch }: Frame<"gap">): Promise<void> {
    const [code, words] = GAPS[reason] ?? ["UNKNOWN", "for a reason that this version does not know"];
    this.#state = "live";
    return this.#report(
      { frame: "gap", reason: code, epoch, cursor: toBase64(cursor) },
      `-- GAP: events may be missing (${words}); anything read before may be stale`,
    );
  }

  /** Something about the stream: a frame for programs; for people a remark on stderr, or nothing. */
  async #report(frame: object, words: string | undefined): Promise<void> {
    const { terminal, json } = this.#session;
    if (json) await writeLine(terminal.stdout, toJsonLine(frame));
    else if (words !== undefined) await writeLine(terminal.stderr, words);
  }
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
