/** The example of disasters kills its own processes, and must not die of that. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";

const service = new URL("../../examples/disasters/service.ts", import.meta.url);

/** A read is asked of a process that is dead, which nobody has been told yet: the event loop has not come round. */
const SOURCE = `
  import { readFileSync } from "node:fs";
  import { Service, UNEXPECTED_ENDS } from "${service}";
  const service = new Service("./writer.ts", ["127.0.0.1:1", "http://127.0.0.1:1"], () => {});
  const pid = readFileSync("/proc/self/task/" + process.pid + "/children", "utf8").trim();
  const ended = service.end();
  while (!readFileSync("/proc/" + pid + "/stat", "utf8").includes(") Z ")) {}
  const why = await service.ask({ kind: "read", key: "k", slowly: false }).catch((error) => error.message);
  await ended;
  console.log(why, UNEXPECTED_ENDS.length);`;

describe("a process of the disasters", () => {
  it.runIf(process.platform === "linux")(
    "that was just killed fails what it is asked, and nothing else",
    () => {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        ["--input-type=module-typescript", "--eval", SOURCE],
        { encoding: "utf8" },
      );
      expect([status, stdout, stderr]).toEqual([0, "the process is gone 0\n", ""]);
    },
  );
});
