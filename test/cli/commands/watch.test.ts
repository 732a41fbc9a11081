import { afterEach, describe, expect, it } from "vitest";
import type { Store } from "../../../src/store/api/store.ts";
import { createStore } from "../../../src/store/engine/create-store.ts";
import { type RunningCommand, runCommand, startCommand } from "../../support/command-line.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(store: Store, listen = "127.0.0.1:0"): Promise<RunningServer> {
  const running = await startServer({ store, listen });
  cleanups.push(() => running.stop());
  return running;
}

function watch(address: string, ...argv: string[]): RunningCommand {
  const command = startCommand(["watch", "--address", address, ...argv]);
  cleanups.push(async () => {
    command.interrupt("SIGINT");
    await command.exitCode;
  });
  return command;
}

const writer = { origin: "test", traceparent: "" };
const set = (store: Store, key: string) =>
  store.set({
    namespace: "default",
    key,
    value: Buffer.from("x"),
    ttlMs: 0,
    staleMs: 0,
    tags: [],
    contentType: "",
    contentEncoding: "",
    absent: false,
    sourceVersion: 0n,
    condition: { kind: "always" },
    requestId: 0n,
    writer,
  });

describe("meshcache watch", () => {
  it("prints events, and one line for an event of every shard", async () => {
    const store = createStore();
    const { address } = await serve(store);
    const { stdout, stderr } = watch(address);
    await stderr.until(/^-- watching namespace default at /);
    await runCommand(["set", "user:\u001b[1m", "x", "--address", address]);
    await runCommand(["invalidate", "--tag", "tenant:7", "--soft", "--address", address]);
    await runCommand(["invalidate", "--all", "--address", address]);
    await stdout.until(/ all /);
    const [first, second, third] = stdout.lines();
    expect(stdout.lines()).toHaveLength(3);
    expect(first).toMatch(
      /^[\d:.]{12} {2}set {10}key user:\\u\{1b\}\[1m {2}\(shard \d+ revision 1, by cli\)$/,
    );
    expect(second).toMatch(/ staled {7}tag tenant:7 {2}\(16 shards, by cli\)$/);
    expect(third).toMatch(/ invalidated {2}all {2}\(16 shards, by cli\)$/);
  });

  it("ends after --count lines, and by a signal with its code", async () => {
    const store = createStore();
    const { address } = await serve(store);
    const counted = watch(address, "--count", "1");
    const endless = watch(address, "--prefix", "b");
    await Promise.all([counted, endless].map(({ stderr }) => stderr.until(/watching/)));
    set(store, "a");
    expect(await counted.exitCode).toBe(0);
    expect(counted.stdout.text()).toMatch(/^[^\n]+ key a [^\n]+\n$/);
    set(store, "b");
    await endless.stdout.until(/\n/);
    expect(endless.stdout.text()).toMatch(/^[^\n]+ key b [^\n]+\n$/);
    endless.interrupt("SIGTERM");
    expect(await endless.exitCode).toBe(143);
  });

  it("resumes after a lost connection and prints what was missed", async () => {
    const store = createStore();
    const first = await serve(store);
    const { stdout, stderr } = watch(first.address);
    await stderr.until(/watching/);
    set(store, "before");
    await stdout.until(/before/);
    await first.stop();
    await stderr.until(/connection lost/);
    set(store, "meanwhile");
    await serve(store, first.address);
    await stderr.until(/connected again, nothing was missed/);
    set(store, "after");
    await stdout.until(/after/);
    expect(stdout.lines().map((line) => / key (\w+) /.exec(line)?.[1])).toEqual([
      "before",
      "meanwhile",
      "after",
    ]);
  });

  it("reports a gap after a restart", async () => {
    const first = await serve(createStore());
    const { stderr } = watch(first.address);
    await stderr.until(/watching/);
    await first.stop();
    await serve(createStore(), first.address);
    await stderr.until(/GAP: events may be missing \(the server has restarted/);
  });

  it("leaves a server that drains, and reconnects to the next one", async () => {
    const store = createStore();
    const first = await serve(store);
    const { stdout, stderr } = watch(first.address);
    await stderr.until(/watching/);
    await first.server.drain();
    await stderr.until(/shutting down/);
    await serve(store, first.address);
    await stderr.until(/connected again/);
    set(store, "after");
    await stdout.until(/after/);
  });

  it("prints every frame as JSON, with cursors to resume from", async () => {
    const store = createStore();
    const { address } = await serve(store);
    const first = watch(address, "--json", "--count", "1");
    await first.stdout.until(/"opened"/);
    set(store, "one");
    expect(await first.exitCode).toBe(0);
    set(store, "two");
    const frames = first.stdout.lines().map((line): Record<string, unknown> => JSON.parse(line));
    const opened = frames.find(({ frame }) => frame === "opened");
    expect(frames.at(-1)).toMatchObject({ frame: "event", kind: "set", key: "one", origin: "test" });

    const second = watch(address, "--json", "--cursor", String(opened?.cursor), "--count", "2");
    expect(await second.exitCode).toBe(0);
    const keys = second.stdout.lines().map((line): unknown => JSON.parse(line).key);
    expect(keys.filter(Boolean).sort()).toEqual(["one", "two"]);
  });

  it("reports each lost connection to programs, however soon after the last one", async () => {
    const store = createStore();
    let running = await serve(store);
    const { stdout } = watch(running.address, "--json");
    const { address } = running;
    const lost = () => stdout.lines().filter((line) => line.includes('"disconnected"')).length;
    await stdout.until(/"opened"/);
    for (const losses of [1, 2, 3]) {
      await running.stop();
      await stdout.until(new RegExp(`("disconnected"[^]*){${losses}}$`));
      running = await serve(store, address);
      await stdout.until(new RegExp(`("opened"[^]*){${losses + 1}}`));
    }
    expect(lost()).toBe(3);
  });

  it("fails at once when the first connection is refused", async () => {
    const { address } = await serve(createStore());
    const refused = watch(address, "--cursor", "bm8gY3Vyc29y");
    expect(await refused.exitCode).toBe(4);
    expect(refused.stderr.text()).toMatch(/^meshcache: cursor must be [^\n]+\n$/);
    const alone = watch("127.0.0.1:1");
    expect(await alone.exitCode).toBe(3);
  });
});
