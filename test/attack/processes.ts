/** Starts the processes of this folder beside a server, and reads what they print. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { environmentOf, testTls } from "../support/test-tls.ts";

/** Resolves with what the process has printed, when it has ended. Undefined: it has printed nothing. */
export async function run<Output>(
  script: "attacker" | "burner" | "load" | "polite",
  ...args: (string | number)[]
): Promise<Output | undefined> {
  const child = spawn(process.execPath, [`test/attack/${script}-process.ts`, ...args.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      ...environmentOf(testTls?.folder, script === "attacker" ? "attacker" : "client"),
    },
  });
  const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return output === "" ? undefined : JSON.parse(output);
}

/** Burns these shares of a core, each in a process of its own, or in several if it is more than one core. */
export async function burn(shares: readonly number[], seconds: number): Promise<void> {
  const parts = shares.flatMap((share) => {
    const processes = Math.ceil(share);
    return Array<number>(processes).fill(share / processes);
  });
  await Promise.all(parts.map((part) => run("burner", part, seconds)));
}
