/** Snapshots of real server processes: clean stops, kills, and files that somebody has touched. */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SnapshotStatus_Outcome } from "../../../gen/meshcache/v1/admin_pb.ts";
import { runCommand } from "../../support/command-line.ts";
import { type ServerProcess, startServerProcess, stopServerProcess } from "../../support/server-process.ts";

let folder: string;
let file: string;
const running: ServerProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "meshcache-snapshot-"));
  file = join(folder, "snapshot");
});
afterEach(() => {
  for (const { child } of running.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

async function start(...argv: string[]): Promise<ServerProcess> {
  const server = await startServerProcess(["--snapshot", file, ...argv]);
  running.push(server);
  return server;
}

const stop = stopServerProcess;
const set = async ({ address }: ServerProcess, key: string, value: string) =>
  expect((await runCommand(["set", key, value, "--address", address])).exitCode).toBe(0);
const get = async ({ address }: ServerProcess, key: string): Promise<string> =>
  (await runCommand(["get", key, "--address", address])).stdout;
const messages = ({ stderr }: ServerProcess): string[] => stderr.lines().map((line) => JSON.parse(line).msg);

/** A server that was stopped in order with one entry. */
async function stopped(...argv: string[]): Promise<void> {
  const server = await start(...argv);
  await set(server, "greeting", "hello");
  await stop(server);
}

describe("meshcache serve --snapshot", () => {
  it.each([["1"], ["2"]])(
    "goes on with what it had, with %s workers, and keeps the file from others",
    async (workers) => {
      const first = await start("--workers", workers);
      expect(messages(first)).toContain("there is no snapshot; the store is empty");
      await set(first, "greeting", "hello");
      await stop(first);
      expect(messages(first).slice(-2)).toEqual(["snapshot written", "stopped"]);
      expect(statSync(file).mode & 0o777).toBe(0o600);

      const second = await start("--workers", workers);
      expect(messages(second)).toContain("snapshot loaded");
      expect(existsSync(file)).toBe(false);
      expect(await get(second, "greeting")).toBe("hello");
      expect(await (await fetch(`${second.admin}/metrics`)).text()).toMatch(
        /meshcache_snapshot_entries\S* 1/,
      );
      const stats = JSON.parse((await runCommand(["stats", "--json", "--address", second.address])).stdout);
      expect(stats).toMatchObject({ snapshot: { outcome: SnapshotStatus_Outcome.LOADED, entries: 1 } });
      // Only its head is kept, by which a copy of it is known.
      expect(statSync(`${file}.used`).size).toBeLessThan(65_536);
    },
  );

  it("begins empty after a kill", async () => {
    await stopped();
    const killed = await start();
    await stop(killed, "SIGKILL");
    const next = await start();
    expect(messages(next)).toContain("there is no snapshot; the store is empty");
    expect(await get(next, "greeting")).toBe("");
  });

  it("says that the server before was killed while it wrote, and leaves nothing of that", async () => {
    await stopped();
    renameSync(file, `${file}.tmp`);
    truncateSync(`${file}.tmp`, statSync(`${file}.tmp`).size - 1);
    const next = await start();
    expect(messages(next)).toContain(
      "the snapshot was not loaded: the server before was ended while it wrote it; the store is empty",
    );
    expect(await get(next, "greeting")).toBe("");
    expect(readdirSync(folder)).toEqual([]);
  });

  it("refuses a copy of what was loaded before, and one that is damaged or for other settings", async () => {
    await stopped();
    const copy = join(folder, "copy");
    copyFileSync(file, copy);
    await stop(await start());
    const refusal = async (...argv: string[]): Promise<string> => {
      const server = await start(...argv);
      expect(await get(server, "greeting")).toBe("");
      const refused = messages(server).filter((message) =>
        message.startsWith("the snapshot was not loaded: "),
      );
      await stop(server, "SIGKILL");
      expect(existsSync(file)).toBe(false);
      return refused.join();
    };
    copyFileSync(copy, file);
    expect(await refusal()).toMatch(/it is a copy; the store is empty$/);

    rmSync(`${file}.used`);
    const bytes = readFileSync(copy);
    bytes[bytes.length >>> 1] = (bytes[bytes.length >>> 1] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    expect(await refusal()).toMatch(/it is damaged: the checksum of block \d+ is wrong/);
    copyFileSync(copy, file);
    truncateSync(file, bytes.length - 1);
    expect(await refusal()).toMatch(/it is damaged/);
    copyFileSync(copy, file);
    expect(await refusal("--shards", "8")).toMatch(/by its shards/);
    copyFileSync(copy, file);
    expect(
      await refusal(
        "--tombstones-max",
        "1",
        "--request-ids-max",
        "1",
        "--namespaces-max",
        "1",
        "--store-budget-bytes",
        "1MiB",
      ),
    ).toMatch(/by its storeBudgetBytes/);
  });

  it("can be loaded after a start that found its port taken", async () => {
    await stopped();
    const other = await start("--snapshot", join(folder, "other"));
    const { exitCode } = await runCommand([
      "serve",
      "--snapshot",
      file,
      "--listen",
      other.address,
      "--admin",
      "off",
    ]);
    expect(exitCode).not.toBe(0);
    expect(await get(await start(), "greeting")).toBe("hello");
  });

  it("loads what fits into other settings", async () => {
    await stopped();
    const larger = await start(
      "--store-budget-bytes",
      "512MiB",
      "--log-max-bytes",
      "16MiB",
      "--tombstones-max",
      "100000",
    );
    expect(await get(larger, "greeting")).toBe("hello");
  });

  it("says in one line that it could not be written, and ends in order", async () => {
    file = join(folder, "missing", "snapshot");
    const server = await start();
    await stop(server);
    expect(messages(server)).toContain(
      "the snapshot could not be written (ENOENT); the next start is with an empty store",
    );
    expect(server.child.exitCode).toBe(0);
  });
});
