/** A writer, readers and a stampede: what the cache of responses promises over several processes and callers. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type ServiceDefinition, status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { createCacheInterceptor } from "../../src/responses/grpc/index.ts";
import { startTestCache } from "../../src/testing/index.ts";
import type { CallingNews, CallingOrder } from "./calling-process.ts";
import { connectUsers, createUsersService, listen } from "./users-server.ts";
import { loadUsers, PATIENT, PATIENT_WRITES } from "./users-service.ts";

const definition = loadUsers(false) as ServiceDefinition;
const SCRIPT = fileURLToPath(new URL("./calling-process.ts", import.meta.url));
const PROCESSES = 4;
const CALLERS_EACH = 125;
const WRITES = 60;
const READERS = 4;

describe("responses that are cached", () => {
  it("are never older than a write that was acknowledged before the call", async () => {
    await using mesh = await startTestCache({ client: PATIENT });
    const service = createUsersService();
    await using server = await listen(definition, service.handlers);
    const connect = (maxStalenessMs?: number) => {
      const staleness = maxStalenessMs === undefined ? {} : { maxStalenessMs };
      const options = {
        ...PATIENT_WRITES,
        ...staleness,
        cache: mesh.connect(PATIENT),
        definitions: definition,
      };
      return connectUsers(server.address, definition, [createCacheInterceptor(options)]);
    };
    using writer = connect();
    const request = { tenantId: "acme", userId: "1" };
    let acknowledged = 0;
    let isOver = false;
    const judge = { older: 0, reads: 0, hits: 0 };
    const numberIn = (response: unknown) => Number((response as { name: string }).name.replace(/\D/g, ""));
    const read = async (): Promise<void> => {
      using reader = connect(0);
      while (!isOver) {
        const before = acknowledged;
        const seen = await reader.call("GetUser", request);
        expect(seen.code).toBe(status.OK);
        judge.reads += 1;
        if (seen.mark !== "miss") judge.hits += 1;
        if (numberIn(seen.response) < before) judge.older += 1;
      }
    };
    await writer.call("RenameUser", { ...request, name: "name 0" });
    const readers = Array.from({ length: READERS }, read);
    // A reader with a near cache reads after a barrier.
    using near = connect();
    for (let write = 1; write <= WRITES; write += 1) {
      const written = await writer.call("RenameUser", { ...request, name: `name ${write}` });
      expect(written.mark).toBe("invalidated");
      acknowledged = write;
      if (write % 5 === 0) {
        await mesh.cache.sync();
        await near.call("GetUser", request);
      }
    }
    isOver = true;
    await Promise.all(readers);
    expect(judge.older).toBe(0);
    expect(judge.reads).toBeGreaterThan(WRITES);
  });

  it("cost one call of the service for 500 callers in 4 processes", async () => {
    await using mesh = await startTestCache({ client: PATIENT });
    const service = createUsersService();
    service.delayMs = 500;
    await using server = await listen(definition, service.handlers);
    const processes = Array.from({ length: PROCESSES }, () =>
      fork(SCRIPT, [mesh.address, server.address], { execPath: process.execPath, execArgv: [] }),
    );
    try {
      await Promise.all(processes.map((child) => until(child, "ready")));
      const order: CallingOrder = { calls: CALLERS_EACH, request: { tenantId: "acme", userId: "7" } };
      const answers = processes.map((child) => until(child, "done"));
      for (const child of processes) child.send(order);
      const names = (await Promise.all(answers)).flatMap((news) => (news.kind === "done" ? news.names : []));
      expect(names.length).toBe(PROCESSES * CALLERS_EACH);
      expect(new Set(names)).toEqual(new Set(["user acme:7"]));
      expect(service.calls.GetUser).toBe(1);
    } finally {
      for (const child of processes) child.kill("SIGKILL");
    }
  });
});

/** Resolves with the next message of this kind. */
function until(child: ChildProcess, kind: CallingNews["kind"]): Promise<CallingNews> {
  return new Promise((resolve, reject) => {
    child.on("message", (news: CallingNews) => {
      if (news.kind === kind) resolve(news);
    });
    child.once("exit", (code, signal) => reject(new Error(`the process ended: ${code ?? signal}`)));
  });
}
