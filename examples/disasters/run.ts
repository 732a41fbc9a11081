/**
 * The disasters: `npm run example:disasters`. Kills, stops, cuts off and replaces processes of a small mesh while users read,
 * and says in a sentence each what they saw. Ends with 1 when a user saw a wrong value, a process ended by itself, or a
 * sentence is not true.
 */
import { halfOpenNetwork, normalLife, writerClosed, writerCutOff } from "./cuts.ts";
import { apiKilled, apiStopped, clockSet, loaderKilled } from "./processes.ts";
import { LEASE_MS } from "./promise.ts";
import { serverKilled, serverReplaced, twoStores } from "./servers.ts";
import { UNEXPECTED_ENDS } from "./service.ts";
import { faults, time, world } from "./stage.ts";
import { CACHE_NAME } from "./world.ts";

console.log("Three APIs, a writer, a database that is 20 ms away. Six users read ten rows all the time.\n");
for (const disaster of [
  normalLife,
  serverKilled,
  apiKilled,
  apiStopped,
  loaderKilled,
  writerCutOff,
  writerClosed,
  halfOpenNetwork,
  twoStores,
  clockSet,
  serverReplaced,
]) {
  try {
    await disaster();
  } catch (error) {
    faults.push(`${disaster.name}: ${error instanceof Error ? error.message : error}`);
  }
}
await world.end();

console.log(`\nWhat the clients of the cache told their applications, with ${CACHE_NAME} for its address:`);
for (const [message, count] of world.events) console.log(`    ${count} × ${message}`);
const { wrong } = world.check;
for (const { key, version, expected } of wrong.slice(0, 10)) {
  console.log(
    `WRONG: ${key} was read in version ${version}, and version ${expected} had been acknowledged long before`,
  );
}
faults.push(...UNEXPECTED_ENDS);
for (const fault of faults) console.log(`WRONG: ${fault}`);
const isFine = wrong.length === 0 && faults.length === 0;
console.log(
  isFine
    ? `\nNo user saw a value older than ${time(LEASE_MS)} after its invalidation was acknowledged, and no process failed.`
    : "\nThe promise was broken.",
);
process.exitCode = isFine ? 0 : 1;
