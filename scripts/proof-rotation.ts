/**
 * Replaces certificates, authorities, keys of tokens and the policy of a server 50 times in a minute while 50 clients work, and judges
 * each answer: `npm run proof:rotation [-- --rounds N] [--clients N] [--workers N]`. Fails for a permitted call that failed, for a
 * call that was answered though nothing permitted it any more, and for a stream that went on for more than a minute.
 */
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startServerProcess } from "../test/fuzz/server-process.ts";
import { RotatedFiles, type Service } from "../test/security/rotation/rotated-files.ts";
import { ReplacementLog, Rotation } from "../test/security/rotation/rotation.ts";
import { PemFolder } from "../test/support/certificates.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "50" },
    clients: { type: "string", default: "50" },
    workers: { type: "string", default: "2" },
  },
});
const rounds = Number(values.rounds);
const clients = Number(values.clients);
const workers = Number(values.workers);
const ROUND_MS = 1_200;
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
const { tls, jwtIssuers, policy } = files.security;
const server = await startServerProcess(workers, {
  flags: [
    ...["--tls-cert", tls?.cert ?? "", "--tls-key", tls?.key ?? "", "--tls-client-ca", tls?.clientCa ?? ""],
    ...["--jwt-issuers", jwtIssuers, "--policy", policy, "--admin-tls", "off", "--security-reload-ms", "100"],
  ],
  logged: (line) => log.take(line),
});
const rotation = new Rotation(files, {
  address: `127.0.0.1:${server.port}`,
  workers,
  replaced: (kind, times) => log.replaced(kind, times),
});
for (let client = 0; client < clients; client++) await rotation.work(serviceOf(client), () => pause(REST_MS));
const beganMs = performance.now();
for (let round = 0; round < rounds && server.ended === undefined; round++) {
  await rotation.round();
  await pause(Math.max(0, beganMs + ROUND_MS * (round + 1) - performance.now()));
}
const tookS = (performance.now() - beganMs) / 1_000;
const report = await rotation.stop();
const faults = [...report.faults, ...server.errors, ...(server.ended === undefined ? [] : [server.ended])];
if (server.ended === undefined && (await server.containedFaults()) > 0)
  faults.push("a callback of the server threw");
await server.stop();
const longestMs = Math.max(0, ...report.streamsMs);
if (longestMs > STREAM_MAX_MS) faults.push(`a stream went on for ${Math.round(longestMs)} ms`);
console.log(
  `${report.rounds} rounds in ${tookS.toFixed(1)} s, ${clients} clients: ${report.answered} permitted calls answered, ` +
    `${report.denied} others denied; ${report.streamsMs.length} streams ended, the last ${Math.round(longestMs)} ms after its right`,
);
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 && report.rounds === rounds ? 0 : 1;
