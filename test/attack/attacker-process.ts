/** One attack in a process of its own: `node attacker-process.ts NAME PORT ADMIN_PORT SECONDS`. */
import { setTimeout as pause } from "node:timers/promises";
import { attacks } from "./attacks.ts";

const [name, port = "", adminPort = "", seconds = ""] = process.argv.slice(2);
const attack = attacks.find((one) => one.name === name);
if (attack === undefined) throw new Error(`no attack is named ${name}`);
// What the server does to an attacker's connections is its affair.
process.on("uncaughtException", () => {});
process.on("unhandledRejection", () => {});

const durationMs = 1_000 * Number(seconds);
const over = AbortSignal.timeout(durationMs);
const target = { address: `127.0.0.1:${port}`, port: Number(port), adminPort: Number(adminPort), over };
await Promise.race([attack.run(target).catch(() => {}), pause(durationMs + 2_000)]);
process.exit(0);
