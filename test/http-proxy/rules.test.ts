/** The rules of HTTP caching as functions of headers: parsing, lifetimes, ranges, and the stored form. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { durationMs, parseDirectives, responseDirectives } from "../../src/http-proxy/rules/cache-control.ts";
import { endToEnd, listItems } from "../../src/http-proxy/rules/header-fields.ts";
import { parseHttpDate } from "../../src/http-proxy/rules/http-date.ts";
import { lifetimesOf } from "../../src/http-proxy/rules/lifetimes.ts";
import { toRange } from "../../src/http-proxy/rules/range.ts";
import { type StoredResponse, storedCodec } from "../../src/http-proxy/rules/stored-response.ts";
import { isKeeping, toKeeping } from "../../src/http-proxy/rules/storing.ts";

const NOW_MS = Date.UTC(2026, 10, 29, 12);
const date = (secondsFromNow: number) => new Date(NOW_MS + secondsFromNow * 1_000).toUTCString();
const NOBODY = { authorization: false, cookie: false, noStore: false };

function keep(headers: readonly string[], status = 200, request = NOBODY) {
  const times = { requestedAtMs: NOW_MS - 1_000, respondedAtMs: NOW_MS };
  const keeping = toKeeping(request, { status, statusMessage: "", headers, times });
  return isKeeping(keeping) ? keeping : undefined;
}

describe("Cache-Control", () => {
  it.each([
    ["max-age=60", 60_000],
    ["MAX-age=60", 60_000],
    ['max-age="60"', 60_000],
    ["max-age=060", 60_000],
    ["a=b,,\t max-age=60 ,", 60_000],
    ["max-age=60, max-age=1", 60_000],
    ['x="max-age=1, \\"max-age=2", max-age=60', 60_000],
    ["max-age=99999999999999999999", 2 ** 31 * 1_000],
    ["max-age=-1", 0],
    ["max-age=1.5", 0],
    ["max-age='60'", 0],
    ["max-age= 60", 0],
    ["max-age", 0],
    ["max-age =60", undefined],
    ['x="max-age=60', undefined],
    ["", undefined],
  ])("%s lasts %s ms", (text, ms) => {
    expect(durationMs(parseDirectives(text), "max-age")).toBe(ms);
  });

  it.each([
    [["cdn-cache-control", "max-age=60", "cache-control", "no-store"], 60_000],
    [["cdn-cache-control", 'max-age=60;a=b, x=?1, y="t"', "cache-control", "no-store"], 60_000],
    [["cdn-cache-control", "max-age=60, &&", "cache-control", "max-age=1"], 1_000],
    [["cdn-cache-control", 'max-age="60"', "cache-control", "max-age=1"], 1_000],
    [["cdn-cache-control", "", "cache-control", "max-age=1"], 1_000],
    [["surrogate-control", "max-age=60", "cache-control", "no-store"], 60_000],
    [["surrogate-control", "max-age=5, max-age=60;meshcache"], 60_000],
    [["surrogate-control", "max-age=60;other", "cache-control", "max-age=1"], 1_000],
    [["surrogate-control", 'content="ESI/1.0"', "cache-control", "max-age=1"], 1_000],
    [["surrogate-control", "max-age=5", "cdn-cache-control", "max-age=60"], 60_000],
  ])("for this cache alone comes first: %j", (headers, ms) => {
    expect(durationMs(responseDirectives(headers).directives, "max-age")).toBe(ms);
  });
});

describe("a date", () => {
  const at = Date.UTC(2020, 0, 1);
  it.each([
    ["Wed, 01 Jan 2020 00:00:00 GMT", at],
    ["Wednesday, 01-Jan-20 00:00:00 GMT", at],
    ["Wed Jan  1 00:00:00 2020", at],
    ["Thursday, 01-Jan-70 00:00:00 GMT", Date.UTC(2070, 0, 1)],
    ["Friday, 01-Jan-77 00:00:00 GMT", Date.UTC(1977, 0, 1)],
    ["Wed, 01 Jan 2020 00:00:60 GMT", at + 60_000],
    ["Wed, 01 JAN 2020 00:00:00 GMT", undefined],
    ["Wed, 1 Jan 2020 00:00:00 GMT", undefined],
    ["Wed, 01 Jan 2020 00:00:00 UTC", undefined],
    ["Wed, 31 Feb 2020 00:00:00 GMT", undefined],
    ["Wed, 01 Jan 2020 24:00:00 GMT", undefined],
    ["0", undefined],
    ["2020-01-01", undefined],
  ])("%s", (text, ms) => {
    expect(parseHttpDate(text, NOW_MS)).toBe(ms);
  });

  it("is read as it is written", () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true }), (any) => {
        const ms = Math.floor(any.getTime() / 1_000) * 1_000;
        expect(parseHttpDate(new Date(ms).toUTCString(), NOW_MS)).toBe(ms);
      }),
    );
  });
});

describe("the lifetime of a response", () => {
  it.each([
    [["cache-control", "max-age=60", "expires", date(-60)], 60_000],
    [["cache-control", "max-age=1, s-maxage=60"], 60_000],
    [["expires", date(60), "date", date(0)], 60_000],
    [["expires", date(60), "date", date(30)], 30_000],
    [["expires", date(60), "date", "foo"], 60_000],
    [["expires", "0", "etag", '"a"'], 0],
    [["expires", date(60), "expires", date(60), "etag", '"a"'], 0],
    [["last-modified", date(-1_000), "date", date(0)], 100_000],
    [["last-modified", date(-10_000_000), "date", date(0)], 86_400_000],
    [["last-modified", date(1_000), "etag", '"a"'], 0],
    [["etag", '"a"'], 0],
    [[], undefined],
    [["cache-control", "max-age=0"], undefined],
    [["cache-control", "public"], undefined],
  ])("%j is %s ms", (headers, ms) => {
    expect(keep(headers)?.lifetimeMs).toBe(ms);
  });

  it.each([
    [[], 1_000],
    [["age", "10"], 11_000],
    [["age", "10, 20"], 11_000],
    [["age", "-10"], 1_000],
    [["age", "ten"], 1_000],
    [["age", "10;a=b"], 1_000],
    [["date", date(-30)], 30_000],
    [["date", date(-30), "age", "40"], 41_000],
    [["date", date(30)], 1_000],
  ])("begins at the age that it came with: %j is %i ms", (headers, ageMs) => {
    expect(keep(["cache-control", "max-age=600", ...headers])?.ageMs).toBe(ageMs);
  });

  it.each([
    [200, ["last-modified", date(-1_000)], true],
    [404, ["last-modified", date(-1_000)], true],
    [201, ["last-modified", date(-1_000)], false],
    [503, ["last-modified", date(-1_000)], false],
    [503, ["last-modified", date(-1_000), "cache-control", "public"], true],
    [503, ["cache-control", "max-age=60"], true],
    [206, ["cache-control", "max-age=60"], false],
    [304, ["cache-control", "max-age=60"], false],
    [599, ["cache-control", "max-age=60, must-understand"], false],
    [200, ["cache-control", "max-age=60, must-understand, no-store"], true],
    [200, ["cache-control", "max-age=60, no-store"], false],
    [200, ["cache-control", "max-age=60, private"], false],
    [200, ["cache-control", 'max-age=60, private="x"'], true],
    [200, ["cache-control", 'max-age=60, private="x'], false],
    [200, ["cache-control", 'max-age=60, private="x y"'], false],
    [200, ["cache-control", 'max-age=60, x="y, no-store'], false],
    [200, ["cache-control", "max-age=60", "vary", "a, *"], false],
    [
      200,
      ["cache-control", "max-age=60", "vary", Array.from({ length: 17 }, (_, n) => `a${n}`).join()],
      false,
    ],
    [200, ["set-cookie", "a=b", "last-modified", date(-1_000)], false],
    [200, ["set-cookie", "a=b", "cache-control", "max-age=60"], true],
  ])("of status %i with %j: kept %s", (status, headers, isKept) => {
    expect(keep(headers, status) !== undefined).toBe(isKept);
  });

  it("is bounded in the cache, and never without an end", () => {
    const lives = (cacheControl: string) => {
      const keeping = keep(["cache-control", cacheControl, "etag", '"a"']);
      if (keeping === undefined) throw new Error("it is kept");
      return lifetimesOf({ ...keeping, initialAgeMs: keeping.ageMs } as unknown as StoredResponse);
    };
    const day = 86_400_000;
    expect(lives("max-age=61")).toEqual({ ttlMs: 60_000, staleMs: day });
    expect(lives("no-cache")).toEqual({ ttlMs: 1, staleMs: day });
    expect(lives("max-age=99999999999, stale-if-error=99999999999")).toEqual({
      ttlMs: 30 * day,
      staleMs: 30 * day,
    });
  });
});

describe("fields", () => {
  it("of the connection are dropped, and those that it may not name are kept", () => {
    const headers = ["A", "1", "Connection", "a, Cache-Control, KEEP-ALIVE", "Cache-Control", "x", "TE", "t"];
    expect(endToEnd(headers)).toEqual(["Cache-Control", "x"]);
  });

  it("are split at the commas outside of quotes", () => {
    expect(listItems('a, "b, c" ,, d="\\",", "e')).toEqual(["a", '"b, c"', 'd="\\","', '"e']);
    expect(listItems('a="b, no-store')).toEqual(['a="b', "no-store"]);
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,5}$/)), (items) => {
        expect(listItems(items.join(" ,\t"))).toEqual(items);
      }),
    );
  });
});

it("a range is within the body, whatever is asked", () => {
  fc.assert(
    fc.property(
      fc.option(fc.nat(30)),
      fc.option(fc.nat(30)),
      fc.integer({ min: 0, max: 20 }),
      (from, to, length) => {
        const range = toRange(`bytes=${from ?? ""}-${to ?? ""}`, length);
        if (range === undefined || range === "unsatisfiable") return;
        expect(range.first).toBeGreaterThanOrEqual(0);
        expect(range.last).toBeGreaterThanOrEqual(range.first);
        expect(range.last).toBeLessThan(length);
        if (from !== null) expect(range.first).toBe(from);
      },
    ),
  );
});

it("a stored response comes back byte for byte", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.stringMatching(/^[\x20-\xff]{0,20}$/)),
      (body, texts) => {
        const stored: StoredResponse = {
          kind: "response",
          status: 200,
          statusMessage: "OK",
          headers: texts.flatMap((text) => ["x-a", text]),
          initialAgeMs: 5,
          lifetimeMs: 60_000,
          use: {
            validate: false,
            staleForbidden: false,
            staleWhileRevalidateMs: 0,
            staleIfErrorMs: 7,
            authorized: true,
          },
          vary: ["a"],
          variant: "v",
          body: Buffer.from(body).toString("latin1"),
        };
        expect(storedCodec.decode(storedCodec.encode(stored))).toEqual(stored);
      },
    ),
  );
  for (const bytes of [[], [2], [1], [1, 0, 0, 0, 9, 123]])
    expect(() => storedCodec.decode(Buffer.from(bytes))).toThrow();
});
