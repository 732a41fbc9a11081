/** Runs the suite of a folder against a cache by the client of the suite, and prints its results: `run-process.ts FOLDER BASE`. */
import { request } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { testGroups } from "./suite.ts";

const [folder = "", base = ""] = process.argv.slice(2);
const { runTests, getResults } = await import(pathToFileURL(join(folder, "client/runner.mjs")).href);
await runTests(await testGroups(folder), plainFetch, false, base);
process.stdout.write(JSON.stringify(getResults()), () => process.exit());

interface FetchInit {
  readonly method?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}

/** What the client of the suite needs of `fetch`, which itself would add headers, decompress, and follow redirects. */
function plainFetch(url: string, { method = "GET", headers = [], body }: FetchInit = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const lines: Record<string, string[]> = {};
    for (const [name, value] of headers) {
      const key = name.toLowerCase();
      lines[key] = [...(lines[key] ?? []), value];
    }
    if (body !== undefined) lines["content-length"] = [String(Buffer.byteLength(body))];
    const asking = request(url, { method, headers: lines, agent: false }, (message) => {
      const chunks: Buffer[] = [];
      message.on("data", (chunk: Buffer) => chunks.push(chunk));
      message.on("error", reject);
      message.on("end", () => {
        const answered = new Headers();
        for (let at = 0; at < message.rawHeaders.length; at += 2)
          answered.append(message.rawHeaders[at] ?? "", message.rawHeaders[at + 1] ?? "");
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: message.statusCode,
          statusText: message.statusMessage,
          headers: answered,
          text: () => Promise.resolve(text),
        });
      });
    });
    asking.on("error", reject);
    asking.end(body);
  });
}
