/** The examples of RFC 7541, appendix C: what each block holds, and what the dynamic table holds behind it. */
import { describe, expect, it } from "vitest";
import { HeaderDecoder } from "../../src/http2/header-decoder.ts";
import type { HeaderField } from "../../src/http2/hpack.ts";
import { countedBytes, integer } from "../support/hpack-encoder.ts";

const LIMITS = { maxBytes: 64 * 1024, maxPairs: 1_000 };
const FIRST_DYNAMIC = 62;

/** Asks for one index after the other: that changes no table. */
function tableOf(decoder: HeaderDecoder): HeaderField[] {
  const table: HeaderField[] = [];
  for (let index = FIRST_DYNAMIC; ; index++) {
    const fields = decoder.decode(integer(0x80, 0x7f, index));
    if (typeof fields === "string") return table;
    table.push(...fields);
  }
}

const f = (text: string): HeaderField => {
  const at = text.indexOf(": ");
  return [text.slice(0, at), text.slice(at + 2)];
};
const GET = f(":method: GET");
const HTTP = f(":scheme: http");
const AUTHORITY = f(":authority: www.example.com");
const NO_CACHE = f("cache-control: no-cache");
const CUSTOM = f("custom-key: custom-value");
const REQUESTS = [
  { fields: [GET, HTTP, f(":path: /"), AUTHORITY], table: [AUTHORITY], bytes: 57 },
  { fields: [GET, HTTP, f(":path: /"), AUTHORITY, NO_CACHE], table: [NO_CACHE, AUTHORITY], bytes: 110 },
  {
    fields: [GET, f(":scheme: https"), f(":path: /index.html"), AUTHORITY, CUSTOM],
    table: [CUSTOM, NO_CACHE, AUTHORITY],
    bytes: 164,
  },
];

const FOUND = f(":status: 302");
const REDIRECT = f(":status: 307");
const PRIVATE = f("cache-control: private");
const DATE = f("date: Mon, 21 Oct 2013 20:13:21 GMT");
const LATER = f("date: Mon, 21 Oct 2013 20:13:22 GMT");
const LOCATION = f("location: https://www.example.com");
const GZIP = f("content-encoding: gzip");
const COOKIE = f("set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1");
const RESPONSES = [
  { fields: [FOUND, PRIVATE, DATE, LOCATION], table: [LOCATION, DATE, PRIVATE, FOUND], bytes: 222 },
  { fields: [REDIRECT, PRIVATE, DATE, LOCATION], table: [REDIRECT, LOCATION, DATE, PRIVATE], bytes: 222 },
  {
    fields: [f(":status: 200"), PRIVATE, LATER, LOCATION, GZIP, COOKIE],
    table: [COOKIE, GZIP, LATER],
    bytes: 215,
  },
];

describe("the examples of RFC 7541", () => {
  it.each([
    [
      "C.2.1",
      "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
      f("custom-key: custom-header"),
      [f("custom-key: custom-header")],
      55,
    ],
    ["C.2.2", "040c2f73616d706c652f70617468", f(":path: /sample/path"), [], 0],
    ["C.2.3", "100870617373776f726406736563726574", f("password: secret"), [], 0],
    ["C.2.4", "82", GET, [], 0],
  ])("%s", (_, block, field, table, bytes) => {
    const decoder = new HeaderDecoder(LIMITS, 4_096);
    expect(decoder.decode(Buffer.from(block, "hex"))).toEqual([field]);
    expect(tableOf(decoder)).toEqual(table);
    expect(countedBytes(tableOf(decoder))).toBe(bytes);
  });

  it.each([
    [
      "C.3",
      4_096,
      REQUESTS,
      [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
      ],
    ],
    [
      "C.4",
      4_096,
      REQUESTS,
      [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
      ],
    ],
    [
      "C.5",
      256,
      RESPONSES,
      [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54" +
          "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d" +
          "4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273" +
          "696f6e3d31",
      ],
    ],
    [
      "C.6",
      256,
      RESPONSES,
      [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97" +
          "c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd" +
          "5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
      ],
    ],
  ])("%s", (_, tableMaxBytes, examples, blocks) => {
    const decoder = new HeaderDecoder(LIMITS, tableMaxBytes);
    expect(blocks).toHaveLength(examples.length);
    for (const [index, { fields, table, bytes }] of examples.entries()) {
      expect(decoder.decode(Buffer.from(blocks[index] ?? "", "hex"))).toEqual(fields);
      expect(tableOf(decoder)).toEqual(table);
      expect(countedBytes(tableOf(decoder))).toBe(bytes);
    }
  });
});
