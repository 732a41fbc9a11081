/** The database: rows with versions, behind HTTP and 20 ms away. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { Row } from "./messages.ts";

const LATENCY_MS = 20;

export interface Database {
  readonly url: string;
  /** Reads so far. */
  readonly reads: number;
  close(): void;
}

/** GET reads a row, POST writes it. */
export async function startDatabase(): Promise<Database> {
  const versions = new Map<string, number>();
  let reads = 0;
  const server = createServer((request, response) => {
    const key = request.url ?? "";
    const isWrite = request.method === "POST";
    if (!isWrite) reads += 1;
    void pause(LATENCY_MS / 2).then(async () => {
      if (isWrite) versions.set(key, (versions.get(key) ?? 1) + 1);
      const row: Row = { version: versions.get(key) ?? 1 };
      await pause(LATENCY_MS / 2);
      response.end(JSON.stringify(row));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    get reads() {
      return reads;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Asks the database for a row, or to write it. */
export async function queryRow(url: string, key: string, method: "GET" | "POST"): Promise<Row> {
  const response = await fetch(`${url}/${key}`, { method });
  return (await response.json()) as Row;
}
