/** C9: what a namespace with one key takes, and what is left of it when it is closed. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { startTestCache } from "../../../src/testing/index.ts";

const run = promisify(execFile);
const COUNT = 10_000;

describe("C9: 10,000 namespaces with one key each", () => {
  it.each(["set", "load"])(
    "take at most 2 KB each, and nearly nothing once they are closed: %s",
    async (way) => {
      await using mesh = await startTestCache();
      const process_ = "test/client/namespaces/memory-process.ts";
      const { stdout } = await run(process.execPath, [
        "--expose-gc",
        process_,
        mesh.address,
        `${COUNT}`,
        way,
      ]);
      const measured = JSON.parse(stdout);
      expect(measured.hits).toBe(COUNT);
      expect(measured.nearHits).toBeGreaterThan(0.9 * COUNT);
      expect(measured.selectors).toBeLessThanOrEqual(64);
      expect(measured.heapBytesEach).toBeLessThanOrEqual(2_000);
      expect(measured.afterCloseBytesEach).toBeLessThanOrEqual(300);
    },
    60_000,
  );
});
