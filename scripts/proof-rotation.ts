/**
 * Replaces certificates, authorities, keys of tokens and the policy of a server 50 times in a minute while 50 clients work, and judges
 * each answer: `npm run proof:rotation [-- --rounds N] [--clients N]`. Fails for a permitted call that failed, for a call that was
 * answered though nothing permitted it any more, and for a stream that went on for more than a minute.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { RotatedFiles, type Service } from "../test/security/rotation/rotated-files.ts";
import { ReplacementLog, Rotation } from "../test/security/rotation/rotation.ts";
import { PemFolder } from "../test/support/certificates.ts";
import { wholeNumber } from "./whole-number.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "50" },
    clients: { type: "string", default: "50" },
  },
});
const rounds = wholeNumber("rounds", values.rounds);
const clients = wholeNumber("clients", values.clients);
const ROUND_MS = 1_200;
const RELOAD_MS = 100;
/** Each client rests so long between its calls, of which it makes some at once. */
const REST_MS = 25;
const STREAM_MAX_MS = 60_000;

function serviceOf(client: number): Service {
  if (client % 10 === 9) return "flip";
  return client % 3 === 0 ? "shop" : "orders";
}

using folder = new PemFolder();
const files = new RotatedFiles(folder);
const log = new ReplacementLog();
const options = JSON.stringify({ ...files.security, reloadMs: RELOAD_MS });
const server = fork("test/security/rotation/server-process.ts", [options], {
  stdio: ["ignore", "pipe", "inherit", "ipc"],
});
const ended = once(server, "exit");
if (server.stdout === null) throw new Error("the server has no output");
const lines = createInterface({ input: server.stdout });
const [first] = await once(lines, "line");
lines.on("line", (line: string) => log.take(line));
const rotation = new Rotation(files, {
  address: JSON.parse(String(first)).address,
  replaced: (kind, times) => log.replaced(kind, times),
});
for (let client = 0; client < clients; client++) await rotation.work(serviceOf(client), () => pause(REST_MS));
const beganMs = performance.now();
for (let round = 0; round < rounds; round++) {
  await Promise.race([rotation.round(), ended.then(() => Promise.reject(new Error("the server has ended")))]);
  await pause(Math.max(0, beganMs + ROUND_MS * (round + 1) - performance.now()));
}
const tookS = (performance.now() - beganMs) / 1_000;
const { faults, answered, denied, streamsMs } = await rotation.stop();
server.disconnect();
await ended;
const longestMs = Math.max(0, ...streamsMs);
console.log(
  `${rounds} rounds in ${tookS.toFixed(1)} s, ${clients} clients: ${answered} permitted calls answered, ` +
    `${denied} others denied; ${streamsMs.length} streams ended, the last ${Math.round(longestMs)} ms after its right`,
);
for (const fault of faults) console.error(fault);
if (longestMs > STREAM_MAX_MS) console.error("a stream went on for too long");
process.exitCode = faults.length === 0 && longestMs <= STREAM_MAX_MS ? 0 : 1;
