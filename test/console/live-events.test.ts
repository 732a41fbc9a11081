/** The invalidation stream as rows: order, bounds, pauses, gaps, interruptions. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import {
  CacheService,
  Event_Kind,
  type EventSchema,
  Gap_Reason,
  type StreamRequest,
  type StreamResponseSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { createApi } from "../../src/console/data/api.ts";
import { matchingRows } from "../../src/console/data/event-filter.ts";
import { createLiveEvents, type EventRow, ROWS_MAX } from "../../src/console/data/live-events.ts";
import { createManualSchedule, settle } from "./manual-schedule.ts";

type Frame = MessageInitShape<typeof StreamResponseSchema>;

const at = (position: number) => Uint8Array.of(position);
const opened: Frame = { frame: { case: "opened", value: { cursor: at(1), epoch: 1n, shards: 4 } } };
const events = (position: number, ...list: MessageInitShape<typeof EventSchema>[]): Frame => ({
  frame: { case: "events", value: { events: list, cursor: at(position) } },
});
const set = (key: string, origin = "") => ({
  kind: Event_Kind.SET,
  target: { case: "key" as const, value: key },
  stamp: { epoch: 1n, shard: 2, revision: 7n },
  origin,
});

/** A server that sends what the test pushes, and remembers what it was asked for. */
function setup() {
  const manual = createManualSchedule();
  const requests: StreamRequest[] = [];
  let push: (frame: Frame | ConnectError) => void = () => {};
  const transport = createRouterTransport(({ service }) => {
    service(CacheService, {
      async *stream(request, { signal }) {
        requests.push(request);
        const waiting: (Frame | ConnectError)[] = [opened];
        let wake = () => {};
        push = (frame) => {
          waiting.push(frame);
          wake();
        };
        signal.addEventListener("abort", () => wake());
        while (!signal.aborted) {
          const next = waiting.shift();
          if (next instanceof ConnectError) throw next;
          if (next !== undefined) yield next;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      },
    });
  });
  const live = createLiveEvents(createApi(transport), manual.schedule, manual.nowMs);
  const calm = async () => {
    for (let turn = 0; turn < 5; turn += 1) await settle();
  };
  return {
    live,
    manual,
    requests,
    calm,
    async send(...frames: (Frame | ConnectError)[]) {
      for (const frame of frames) push(frame);
      await calm();
    },
    targets: () => live.rows.value.map((row) => (row.row === "gap" ? `gap: ${row.reason}` : row.target)),
  };
}

describe("createLiveEvents()", () => {
  it("tells of many events at once", async () => {
    const { live, manual, calm, send, targets } = setup();
    live.follow("shop", ["user:"]);
    await calm();
    expect(live.state.value).toBe("live");
    await send(events(2, set("user:1")), events(3, set("user:2", "orders"), set("user:3")));
    expect([targets(), manual.delaysMs()]).toEqual([[], [100]]);
    await manual.next();
    expect([targets(), live.received.value]).toEqual([["user:1", "user:2", "user:3"], 3]);
    expect(live.rows.value[1]).toMatchObject({ kind: "set", origin: "orders", shard: 2, revision: 7n });
  });

  it("makes one row of what comes once for each shard", async () => {
    const { live, manual, calm, send } = setup();
    live.follow("shop", []);
    await calm();
    const tag = (name: string, shard: number) => ({
      kind: Event_Kind.INVALIDATED,
      target: { case: "tag" as const, value: name },
      stamp: { epoch: 1n, shard, revision: 1n },
    });
    await send(events(2, tag("a", 0), tag("b", 0), set("k"), tag("a", 1), tag("a", 2)));
    await manual.next();
    expect(live.rows.value.map((row) => row.row === "event" && [row.target, row.shards])).toEqual([
      ["a", 3],
      ["b", 1],
      ["k", 1],
    ]);
    expect(live.received.value).toBe(5);
  });

  it("keeps the newest rows up to a bound", async () => {
    const { live, manual, calm, send } = setup();
    live.follow("shop", []);
    await calm();
    for (let batch = 0; batch < 3; batch += 1) {
      await send(events(batch, ...Array.from({ length: ROWS_MAX }, (_, index) => set(`${batch} ${index}`))));
    }
    await manual.next();
    const rows = live.rows.value as readonly EventRow[];
    expect([rows.length, rows[0]?.target, rows.at(-1)?.target]).toEqual([
      ROWS_MAX,
      "2 0",
      `2 ${ROWS_MAX - 1}`,
    ]);
    expect(live.received.value).toBe(3 * ROWS_MAX);
  });

  it("goes on behind what it has seen after a pause, and shows a gap as a row", async () => {
    const { live, manual, requests, calm, send, targets } = setup();
    live.follow("shop", []);
    await calm();
    await send(events(9, set("seen")));
    live.pause();
    expect([live.state.value, targets()]).toEqual(["paused", ["seen"]]);
    live.resume();
    await calm();
    expect(requests.map(({ cursor }) => [...cursor])).toEqual([[], [9]]);
    await send({
      frame: { case: "gap", value: { reason: Gap_Reason.CURSOR_EXPIRED, cursor: at(20), epoch: 1n } },
    });
    await manual.next();
    expect(targets()).toEqual(["seen", "gap: those since the pause are no longer in the server's log"]);
    expect(live.gaps.value).toBe(1);
  });

  it("opens a stream that was interrupted again where it was, and one that was refused not", async () => {
    const { live, manual, requests, calm, send } = setup();
    live.follow("shop", []);
    await calm();
    await send(events(5, set("a")), new ConnectError("gone", Code.Unavailable));
    expect([live.state.value, live.problem.value?.kind]).toEqual(["interrupted", "unreachable"]);
    await manual.next();
    await calm();
    expect([live.state.value, live.problem.value, [...(requests[1]?.cursor ?? [])]]).toEqual([
      "live",
      undefined,
      [5],
    ]);
    await send(new ConnectError("no", Code.PermissionDenied));
    expect([live.problem.value?.kind, manual.delaysMs()]).toEqual(["denied", []]);
    live.stop();
  });

  it("forgets the rows of another namespace", async () => {
    const { live, requests, calm, send, targets } = setup();
    live.follow("shop", []);
    await calm();
    await send(events(5, set("a")));
    live.follow("billing", []);
    await calm();
    expect([
      targets(),
      live.received.value,
      requests.map(({ namespace, cursor }) => [namespace, cursor.length]),
    ]).toEqual([
      [],
      0,
      [
        ["shop", 0],
        ["billing", 0],
      ],
    ]);
  });
});

describe("matchingRows()", () => {
  const row = (number: number, target: string, origin = "", kind = "set"): EventRow => ({
    row: "event",
    number,
    atMs: 0,
    kind,
    targetKind: "key",
    target,
    shards: 1,
    shard: 0,
    revision: 1n,
    origin,
    traceparent: "",
  });
  const rows = [
    row(1, "user:1", "orders"),
    { row: "gap" as const, number: 2, atMs: 0, reason: "" },
    row(3, "user:2", "shop", "touched"),
    row(4, "cart:1", "orders"),
  ];
  const numbers = (filter: Partial<Parameters<typeof matchingRows>[1]>) =>
    matchingRows(rows, { text: "", origin: "", kind: "", ...filter }).map(({ number }) => number);

  it("shows the newest first, and gaps always", () => {
    expect(numbers({})).toEqual([4, 3, 2, 1]);
    expect(numbers({ text: "user" })).toEqual([3, 2, 1]);
    expect(numbers({ origin: "orders", text: "cart" })).toEqual([4, 2]);
    expect(numbers({ kind: "touched" })).toEqual([3, 2]);
  });
});
