/** Many processes want one key that nobody has: one load, and exactly one more when the loading process is killed. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LoadNews, LoadOrder } from "../support/loading-process.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { withTestTls } from "../support/test-tls.ts";

const SCRIPT = fileURLToPath(new URL("../support/loading-process.ts", import.meta.url));
const PROCESSES = 4;
const CALLS_EACH = 50;

interface LoadingProcess {
  readonly child: ChildProcess;
  readonly news: LoadNews[];
  /** Resolves with the first message of this kind, one that has come or one to come. */
  until<Kind extends LoadNews["kind"]>(kind: Kind): Promise<Extract<LoadNews, { kind: Kind }>>;
  order(order: LoadOrder): void;
}

function startProcess(address: string): LoadingProcess {
  const child = fork(SCRIPT, [address, JSON.stringify(withTestTls)], {
    execPath: process.execPath,
    execArgv: [],
  });
  const news: LoadNews[] = [];
  child.on("message", (message: LoadNews) => news.push(message));
  return {
    child,
    news,
    order: (order) => child.send(order),
    until: (kind) =>
      new Promise((resolve, reject) => {
        const isWanted = (one: LoadNews): one is Extract<LoadNews, { kind: typeof kind }> =>
          one.kind === kind;
        const check = () => {
          const found = news.find(isWanted);
          if (found === undefined) return;
          child.off("message", check);
          resolve(found);
        };
        child.on("message", check);
        child.once("exit", (code, signal) => reject(new Error(`the process ended: ${code ?? signal}`)));
        check();
      }),
  };
}

describe("A stampede of four processes", () => {
  let running: RunningServer;
  let processes: LoadingProcess[];

  beforeEach(async () => {
    running = await startServer();
    processes = Array.from({ length: PROCESSES }, () => startProcess(running.address));
    await Promise.all(processes.map((one) => one.until("ready")));
  }, 40_000);

  afterEach(async () => {
    for (const { child } of processes) child.kill("SIGKILL");
    await running.stop();
  });

  const loads = (): number =>
    processes.flatMap(({ news }) => news.filter(({ kind }) => kind === "loading")).length;

  it("runs one loader for 200 concurrent calls", async () => {
    for (const one of processes) {
      one.order({ key: "k", calls: CALLS_EACH, loadMs: 300, hardTimeoutMs: 10_000 });
    }
    const done = await Promise.all(processes.map((one) => one.until("done")));
    const values = done.flatMap((one) => one.values);
    expect(values.length).toBe(PROCESSES * CALLS_EACH);
    expect(new Set(values).size).toBe(1);
    expect(loads()).toBe(1);
  });

  it("T3: gives the key of a killed process to the next one when its stream ends, not when its lease does", async () => {
    // The lease of this load lasts 60 s, longer than the test may take.
    for (const one of processes) {
      one.order({ key: "k", calls: CALLS_EACH, loadMs: 1_000, hardTimeoutMs: 58_000 });
    }
    const holder = await Promise.race(processes.map((one) => one.until("loading").then(() => one)));
    holder.child.kill("SIGKILL");
    const done = await Promise.all(processes.filter((one) => one !== holder).map((one) => one.until("done")));
    expect(new Set(done.flatMap((one) => one.values)).size).toBe(1);
    expect(loads()).toBe(2);
  });

  it("runs exactly one more when the process that loads is killed", async () => {
    // Killed in the middle of a load that would not have ended in time.
    for (const one of processes) {
      one.order({ key: "k", calls: CALLS_EACH, loadMs: 1_000, hardTimeoutMs: 2_000 });
    }
    const holder = await Promise.race(processes.map((one) => one.until("loading").then(() => one)));
    holder.child.kill("SIGKILL");
    const survivors = processes.filter((one) => one !== holder);
    const done = await Promise.all(survivors.map((one) => one.until("done")));
    const values = done.flatMap((one) => one.values);
    expect(values.length).toBe((PROCESSES - 1) * CALLS_EACH);
    expect(new Set(values).size).toBe(1);
    expect(values[0]).not.toBe(`loaded by ${holder.child.pid}`);
    expect(loads()).toBe(2);
  });
});
