import { describe, expect, it } from "vitest";
import {
  EngineError,
  encodeCommand,
  ProtocolError,
  type Reply,
  ReplyReader,
} from "../../../src/tier/engine/resp3.ts";

interface Taken {
  readonly kind: "reply" | "push";
  readonly value: unknown;
}

const plain = (value: Reply): unknown => {
  if (Buffer.isBuffer(value)) return value.toString();
  return Array.isArray(value) ? value.map(plain) : value;
};

function read(chunks: readonly Buffer[]): Taken[] {
  const taken: Taken[] = [];
  const reader = new ReplyReader({
    reply: (value) => taken.push({ kind: "reply", value: plain(value) }),
    push: (value) => taken.push({ kind: "push", value: plain(value) }),
  });
  for (const chunk of chunks) reader.take(chunk);
  return taken;
}

const STREAM = Buffer.from(
  [
    "+OK",
    ":42",
    ":-9007199254740993",
    "$5\r\na\r\nbc",
    "$0\r\n",
    "$-1",
    "_",
    "*-1",
    "#t",
    ",1.5",
    "(123456789012345678901234567890",
    "=8\r\ntxt:some",
    "*3\r\n:1\r\n*1\r\n$1\r\nx\r\n-ERR inside",
    "%1\r\n+key\r\n:7",
    "~2\r\n:1\r\n:2",
    "|1\r\n+ttl\r\n:3\r\n$3\r\nhit",
    ">3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$4\r\ndata",
    "!9\r\nOOM so it",
    "-MOVED 3 127.0.0.1:7000",
    "",
  ].join("\r\n"),
);

const EXPECTED: Taken[] = [
  { kind: "reply", value: "OK" },
  { kind: "reply", value: 42 },
  { kind: "reply", value: -9007199254740993n },
  { kind: "reply", value: "a\r\nbc" },
  { kind: "reply", value: "" },
  { kind: "reply", value: null },
  { kind: "reply", value: null },
  { kind: "reply", value: null },
  { kind: "reply", value: true },
  { kind: "reply", value: 1.5 },
  { kind: "reply", value: 123456789012345678901234567890n },
  { kind: "reply", value: "some" },
  { kind: "reply", value: [1, ["x"], new EngineError("ERR inside")] },
  { kind: "reply", value: ["key", 7] },
  { kind: "reply", value: [1, 2] },
  { kind: "reply", value: "hit" },
  { kind: "push", value: ["smessage", "c", "data"] },
  { kind: "reply", value: new EngineError("OOM so it") },
  { kind: "reply", value: new EngineError("MOVED 3 127.0.0.1:7000") },
];

describe("ReplyReader", () => {
  it("reads every type, in order", () => {
    expect(read([STREAM])).toEqual(EXPECTED);
  });

  it("reads the same however the bytes are cut", () => {
    for (let at = 0; at <= STREAM.length; at++) {
      expect(read([STREAM.subarray(0, at), STREAM.subarray(at)])).toEqual(EXPECTED);
    }
    expect(read(Array.from(STREAM, (byte) => Buffer.of(byte)))).toEqual(EXPECTED);
  });

  it.each(["?x\r\n", "$x\r\n", "$-2\r\n", "*99999999999\r\n", "+OK\rx", `${"*1\r\n".repeat(20)}:1\r\n`])(
    "refuses %j",
    (text) => {
      expect(() => read([Buffer.from(text)])).toThrow(ProtocolError);
    },
  );

  it("says the first word of an error", () => {
    expect(new EngineError("WRONGPASS invalid").code).toBe("WRONGPASS");
    expect(new EngineError("TRYAGAIN").code).toBe("TRYAGAIN");
  });
});

describe("encodeCommand()", () => {
  it("writes text, bytes, and large bytes as they are", () => {
    const large = Buffer.alloc(10_000, 7);
    const { pieces, bytes } = encodeCommand(["SET", "ä", large, ""]);
    const whole = Buffer.concat(pieces);
    expect(whole.length).toBe(bytes);
    const head = Buffer.from("*4\r\n$3\r\nSET\r\n$2\r\nä\r\n$10000\r\n");
    expect(whole.equals(Buffer.concat([head, large, Buffer.from("\r\n$0\r\n\r\n")]))).toBe(true);
  });
});
