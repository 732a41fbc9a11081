/** Console blocks as a reader runs them: commands in a terminal, and their output compared with the one that is shown. */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Block } from "./pages.ts";

/** A command of a block, and what it is said to print. */
export interface Step {
  readonly command: string;
  readonly output: readonly string[];
}

export interface Ran {
  readonly exitCode: number | null;
  readonly output: string;
}

/** Whether the commands of a block find this one. */
export function isOnPath(tool: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** How long a test of commands may take: they start a dozen processes, on a machine that may have much else to do. */
export const PATIENCE_MS = 300_000;
/** A little less. */
const SHELL_MAX_S = 290;

/** `console`: commands behind "$ " with their output below. `sh`: commands alone, as one step. */
export function stepsOf({ language, code }: Block): Step[] {
  if (language === "sh") return [{ command: code.trimEnd(), output: [] }];
  return code
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = "", ...output] = part.split("\n");
      return { command, output: output.filter((line) => line.trim() !== "") };
    });
}

/** Each command of a block without its comments. */
export function commandsOf(block: Block): string[] {
  return stepsOf(block)
    .flatMap(({ command }) => command.split("\n"))
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== "");
}

/**
 * Runs commands in one bash, in a terminal, since what the command prints depends on it; what they print comes in
 * one part for each.
 */
export async function runInTerminal(
  commands: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Ran & { readonly parts: readonly string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "meshcache-block-"));
  const file = join(folder, "block.sh");
  const mark = "@@@ next @@@";
  // As by hand: what counts is how each line of input ended.
  const body = commands.map(
    (command) => `echo "${mark}"\n${command}\nended=$?; [ $ended = 0 ] || exit $ended\n`,
  );
  writeFileSync(file, `shopt -s expand_aliases\n${body.join("")}`);
  try {
    // It must not outlive its test, as a loop does that waits for what never comes.
    const command = `timeout --foreground ${SHELL_MAX_S} bash ${file}`;
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ran = await finish(child);
    return { ...ran, parts: ran.output.split(mark).slice(1) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function finish(child: ChildProcess): Promise<Ran> {
  return new Promise((resolve, reject) => {
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    child.once("error", reject);
    child.once("close", (exitCode) => resolve({ exitCode, output }));
  });
}

/** A command that runs until it is ended, with all processes that it started. */
export class Running {
  output = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  readonly #waiting = new Set<() => void>();

  constructor(command: string, env: NodeJS.ProcessEnv) {
    this.#child = spawn("bash", ["-c", `exec ${command}`], {
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
        for (const check of this.#waiting) check();
      });
    }
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", (code) => {
        resolve(code);
        for (const check of this.#waiting) check();
      });
    });
  }

  /** Resolves once the output is as it is waited for; rejects when the command ends before. */
  until(isThere: (output: string) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const isEnded = this.#child.exitCode !== null || this.#child.signalCode !== null;
        if (isThere(this.output)) resolve();
        else if (isEnded) reject(new Error(`ended before it printed what was waited for:\n${this.output}`));
        else return;
        this.#waiting.delete(check);
      };
      this.#waiting.add(check);
      check();
    });
  }

  /** Ends it. Resolves with the exit code. */
  end(signal: "SIGINT" | "SIGTERM"): Promise<number | null> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, signal);
    return this.#ended;
  }
}

/**
 * Lines that are shown and not printed, in this order. "…" at the end of a line stands for the rest of it, alone for
 * further lines.
 */
export function missingLines(shown: readonly string[], printed: string): string[] {
  const lines = alike(printed).split("\n");
  let at = 0;
  return shown.filter((line) => {
    const wanted = alike(line);
    if (wanted === "…") return false;
    const isIt = wanted.endsWith("…")
      ? (one: string) => one.startsWith(wanted.slice(0, -1))
      : (one: string) => one === wanted;
    const found = lines.findIndex((one, index) => index >= at && isIt(one));
    if (found >= 0) at = found + 1;
    return found < 0;
  });
}

const UNIT = "(?:ms|s|min|h|d)\\b";
const DURATION = new RegExp(`# ${UNIT}(?: # ${UNIT})*`, "g");

/** What a progress bar begins each time anew, and erases in the end. */
const TO_COLUMN_1 = "\u001b[1G";
const ERASE_LINE = "\u001b[2K";

/** Text without what differs from run to run: numbers, durations, blanks, and what moves a terminal's cursor. */
function alike(text: string): string {
  return stripVTControlCharacters(text.replaceAll(TO_COLUMN_1, "\n").replaceAll(ERASE_LINE, "\n"))
    .replaceAll("\r", "")
    .replace(/\d+(?:[.,:]\d+)*/g, "#")
    .replace(DURATION, "T")
    .replace(/[ \t]+/g, " ")
    .replace(/ $/gm, "")
    .replace(/^ /gm, "");
}
