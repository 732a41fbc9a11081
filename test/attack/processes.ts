/** Starts the processes of this folder beside a server, and reads what they print. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { environmentOf, testTls } from "../support/test-tls.ts";
import { type Course, split } from "./processor-course.ts";
import { type BurnOrder, socketOf } from "./thread-burner.ts";

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
  await Promise.all(parts.map((course) => run("burner", sinceMs, course.map(Math.round).join())));
}

/** Has the threads of a server burn processor time as this course says from now on, each as much. `path`: of their sockets. */
export async function burnInThreads(path: string, workers: number, course: Course): Promise<void> {
  const order: BurnOrder = { sinceMs: Date.now(), course: course.map((spent) => spent / workers) };
  // A single worker is the main thread.
  const threads = workers === 1 ? [0] : Array.from({ length: workers }, (_, index) => index + 1);
  await Promise.all(
    threads.map(async (thread) => {
      const socket = connect(socketOf(path, thread));
      await once(socket, "connect");
      socket.end(JSON.stringify(order));
    }),
  );
}
