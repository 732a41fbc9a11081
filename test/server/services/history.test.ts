/** The history of figures: what is asked of Prometheus, and what becomes of its answers, late and wrong ones too. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { create } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { HistoryRequestSchema } from "../../../gen/meshcache/v1/admin_pb.ts";
import { createHistory, historyQuery } from "../../../src/server/services/history.ts";

const NOW_MS = 1_700_000_123_456;
const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A Prometheus that answers as the test says; returns what reads from it. */
async function prometheus(answer: RequestListener) {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const read = createHistory(
    { url: `http://127.0.0.1:${port}/prom`, labels: 'job="meshcache"' },
    () => NOW_MS,
  );
  return (windowS: number, pointsMax = 0, signal = new AbortController().signal) =>
    read(create(HistoryRequestSchema, { windowS, pointsMax }), signal);
}

const result = (series: object[]) =>
  JSON.stringify({ status: "success", data: { resultType: "matrix", result: series } });

describe("createHistory()", () => {
  it("asks one question for all figures, and puts the answers at their times", async () => {
    const asked: { path: string | undefined; form: URLSearchParams }[] = [];
    const read = await prometheus(async (request, response) => {
      let body = "";
      for await (const part of request) body += part;
      asked.push({ path: request.url, form: new URLSearchParams(body) });
      response.end(
        result([
          {
            metric: { figure: "hits" },
            values: [
              [1_700_000_040, "5"],
              [1_700_000_100, "7.5"],
            ],
          },
          { metric: { figure: "p99S" }, values: [[1_700_000_100, "NaN"]] },
          { metric: { figure: "of another version" }, values: [] },
        ]),
      );
    });
    const { timesS, series } = await read(180, 4);
    expect(timesS).toEqual([1_699_999_920, 1_699_999_980, 1_700_000_040, 1_700_000_100]);
    expect(series.map(({ name, values }) => [name, values])).toEqual([
      ["hits", [Number.NaN, Number.NaN, 5, 7.5]],
      ["p99S", [Number.NaN, Number.NaN, Number.NaN, Number.NaN]],
    ]);
    expect(asked.map(({ path }) => path)).toEqual(["/prom/api/v1/query_range"]);
    const form = Object.fromEntries(asked[0]?.form ?? []);
    expect(form).toMatchObject({ start: "1699999920", end: "1700000100", step: "60" });
    expect(form.query).toContain(
      'rate(meshcache_reads_total{job="meshcache",meshcache_outcome="hit"}[120s])',
    );
  });

  it.each([
    ["an error", (response) => response.writeHead(500).end("{}")],
    ["something else", (response) => response.end("<html>")],
    ["series without names", (response) => response.end(result([{ metric: {}, values: [] }]))],
    ["a redirect", (response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end()],
    ["too much", (response) => response.end("x".repeat(5 * 1024 * 1024))],
  ] satisfies [string, (response: Parameters<RequestListener>[1]) => unknown][])(
    "says that there is none where Prometheus answers with %s",
    async (_, answer) => {
      const read = await prometheus((request, response) => {
        request.resume();
        answer(response);
      });
      await expect(read(60)).rejects.toMatchObject({ reason: "UNAVAILABLE", detail: {} });
    },
  );

  it("reads four at a time, and ends those whose caller has gone", async () => {
    const read = await prometheus(() => {});
    const leaving = new AbortController();
    const waiting = Array.from({ length: 4 }, () => read(60, 0, leaving.signal));
    await expect(read(60)).rejects.toMatchObject({
      reason: "LIMIT_EXCEEDED",
      detail: { limit: "history_reads" },
    });
    leaving.abort();
    for (const one of waiting) await expect(one).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    await expect(read(60, 0, AbortSignal.abort())).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });

  it.each([
    [59, 0, "window_s"],
    [2_678_401, 0, "window_s"],
    [60, 1, "points_max"],
    [60, 1_001, "points_max"],
  ])("refuses a window of %d s with %d points", async (windowS, pointsMax, field) => {
    const read = await prometheus(() => {});
    await expect(read(windowS, pointsMax)).rejects.toMatchObject({
      reason: "FIELD_INVALID",
      detail: { field },
    });
  });
});

describe("historyQuery()", () => {
  it("has whole selectors with labels and without", () => {
    expect(historyQuery('job="a",instance="b"', 60)).toContain(
      'sum(meshcache_entries{job="a",instance="b"})',
    );
    expect(historyQuery("", 60)).toContain("sum(meshcache_entries{})");
    expect(historyQuery("", 60)).toContain('rate(meshcache_sets_total{meshcache_outcome="stored"}[60s])');
    expect(historyQuery("", 60)).not.toMatch(/[@#]/);
  });
});
