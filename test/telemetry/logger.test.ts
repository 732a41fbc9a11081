import { afterEach, describe, expect, it } from "vitest";
import { createLogger, type LogLevel } from "../../src/telemetry/logger.ts";

const lines: string[] = [];
const loggerAt = (level?: LogLevel) =>
  createLogger({ ...(level && { level }), destination: { write: (line) => void lines.push(line) } });

afterEach(() => {
  lines.length = 0;
});

describe("createLogger()", () => {
  it("writes one JSON object per line, with the name of the level and a time in UTC", () => {
    loggerAt().info({ shard: 3 }, "compacted");
    expect(lines).toHaveLength(1);
    expect(lines[0]?.endsWith("\n")).toBe(true);
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      shard: 3,
      msg: "compacted",
    });
  });

  it("writes lines from its level on, info by default", () => {
    const write = (level?: LogLevel) => {
      const logger = loggerAt(level);
      logger.info({}, "i");
      logger.warn({}, "w");
      logger.error({}, "e");
      return lines.splice(0).map((line) => JSON.parse(line).msg);
    };
    expect(write()).toEqual(["i", "w", "e"]);
    expect(write("error")).toEqual(["e"]);
    expect(write("silent")).toEqual([]);
  });

  it("escapes control characters, so that nothing breaks out of a line", () => {
    loggerAt().error({ err: new Error("first\r\nsecond \u001b[31m\u0000") }, "x\ny");
    expect(lines).toHaveLength(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the test searches for control characters.
    expect(lines[0]?.trimEnd()).not.toMatch(/[\u0000-\u001f]/);
    expect(JSON.parse(lines[0] ?? "").err).toMatchObject({
      type: "Error",
      message: "first\r\nsecond \u001b[31m\u0000",
    });
  });
});
