/** A call that somebody waits for keeps the process alive, although no socket is open. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const run = promisify(execFile);

/** Both addresses refuse at once, so that between two attempts there is only a timer. */
const waiting = (call: string) => `
  import { MeshCache } from ${JSON.stringify(`${process.cwd()}/src/index.ts`)};
  const cache = new MeshCache({ address: ["127.0.0.1:1", "127.0.0.1:2"], backoffMinMs: 300, deadlineMs: 1_000 });
  const users = cache.namespace("users");
  console.log(await ${call}.catch((error) => error.reason));
  await cache.close();
`;

describe("A process that waits for a call", () => {
  it.each<[call: string, answer: RegExp]>([
    ['users.get("k")', /^(UNAVAILABLE|DEADLINE)$/],
    ["cache.sync()", /^(UNAVAILABLE|DEADLINE)$/],
    ['users.getOrLoad("k", () => "loaded")', /^loaded$/],
    ['users.getOrLoad("k", () => new Promise(() => {}), { hardTimeoutMs: 500 })', /^LOADER_TIMEOUT$/],
    ['users.getOrLoad("k", () => new Promise(() => {}), { deadlineMs: 500 })', /^DEADLINE$/],
  ])("lives until it is settled: %s", async (call, answer) => {
    const { stdout } = await run("node", ["--input-type=module", "-e", waiting(call)]);
    expect(stdout.trim()).toMatch(answer);
  });
});
