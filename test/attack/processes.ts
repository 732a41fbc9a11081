/** Starts the processes of this folder beside a server, and reads what they print. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { environmentOf, testTls } from "../support/test-tls.ts";
import { type Course, SLOT_MS, split } from "./processor-course.ts";

interface Started<Output> {
  readonly pid: number | undefined;
  /** What it has printed, when it has ended. Undefined: nothing. */
  readonly output: Promise<Output | undefined>;
}

type Script = "attacker" | "burner" | "load" | "polite";

export function start<Output>(script: Script, ...args: (string | number)[]): Started<Output> {
  const child = spawn(process.execPath, [`test/attack/${script}-process.ts`, ...args.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      ...environmentOf(testTls?.folder, script === "attacker" ? "attacker" : "client"),
    },
  });
  const printed = Promise.all([text(child.stdout), once(child, "exit")]);
  return {
    pid: child.pid,
    output: printed.then(([output]) => (output === "" ? undefined : JSON.parse(output))),
  };
}

/** Resolves with what the process has printed, when it has ended. Undefined: it has printed nothing. */
export function run<Output>(script: Script, ...args: (string | number)[]): Promise<Output | undefined> {
  return start<Output>(script, ...args).output;
}

/** Burns processor time as these courses say from now on, each in a process of its own, or in several for more than a core. */
export async function burn(courses: readonly Course[]): Promise<void> {
  const sinceMs = Date.now();
  const parts = courses.flatMap(split);
  await Promise.all(parts.map((course) => run("burner", sinceMs, SLOT_MS, course.map(Math.round).join())));
}
