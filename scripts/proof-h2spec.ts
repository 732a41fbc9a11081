/**
 * Runs h2spec, a conformance test of HTTP/2, against connections of many streams and of a single one, and compares the cases
 * that fail with those named in test/http2/h2spec.json: `npm run proof:h2spec [-- --tls]`. Fails for a case that fails and is not
 * named, and for one that is named and passes. H2SPEC_BIN is another binary of h2spec.
 */
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { createServer, type SecurityOptions } from "../src/server/index.ts";

const { values } = parseArgs({ options: { tls: { type: "boolean", default: false } } });
// Modules of the tests read it when they are loaded.
if (values.tls) process.env.MESH_TEST_TLS = "on";
const { testTls } = await import("../test/support/test-tls.ts");
const { startAnnouncingProxy } = await import("../test/support/announcing-proxy.ts");
const { startGatheringProxy } = await import("../test/support/gathering-proxy.ts");

const H2SPEC = "github.com/summerwind/h2spec/cmd/h2spec";
const H2SPEC_VERSION = "v2.2.1+incompatible";
const PATH = "/meshcache.v1.CacheService/Get";
/** Seconds that h2spec waits for an answer. */
const ANSWER_TIMEOUT_S = 2;
const CASES_MIN = 140;

/** Why each case may fail, by its name. */
const Named = z.record(z.string(), z.string());
const named = z
  .object({ manyStreams: Named, singleStream: Named })
  .parse(JSON.parse(readFileSync(new URL("../test/http2/h2spec.json", import.meta.url), "utf8")));

interface Report {
  readonly cases: number;
  readonly failed: readonly string[];
}

const binary =
  process.env.H2SPEC_BIN ??
  execFileSync("sh", ["scripts/build-go-program.sh", H2SPEC, H2SPEC_VERSION], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();

const folder = mkdtempSync(join(tmpdir(), "h2spec-"));

function runH2spec(port: number): Promise<Report> {
  const report = join(folder, `${port}.xml`);
  const args = [
    "-h",
    "127.0.0.1",
    "-p",
    String(port),
    "-P",
    PATH,
    "-o",
    String(ANSWER_TIMEOUT_S),
    "-j",
    report,
    ...(testTls === undefined ? [] : ["-t", "-k"]),
  ];
  return new Promise((resolve, reject) => {
    // Its exit code only says whether a case failed.
    execFile(binary, args, { maxBuffer: 2 ** 24 }, (_error, stdout) => {
      try {
        resolve(readReport(readFileSync(report, "utf8")));
      } catch (cause) {
        reject(new Error(`h2spec wrote no report:\n${stdout}`, { cause }));
      }
    });
  });
}

/** A report in the format of JUnit. */
function readReport(xml: string): Report {
  const cases = [...xml.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*>(.*?)<\/testcase>/gs)];
  const failed = cases.filter(([, , , body = ""]) => /<(?:error|failure)>/.test(body));
  return {
    cases: cases.length,
    failed: failed.map(([, section, name = ""]) => `${section}: ${name.replaceAll(/&(?:#34|quot);/g, '"')}`),
  };
}

/** The failed cases that are not named, if they fail in a second run too: an answer may overtake what breaks the protocol. */
async function unnamed(
  port: number,
  report: Report,
  may: Readonly<Record<string, string>>,
): Promise<string[]> {
  const failed = report.failed.filter((one) => !(one in may));
  if (failed.length === 0) return [];
  const again = await runH2spec(port);
  return failed.filter((one) => again.failed.includes(one));
}

/** h2spec has no client certificate. */
function securityOf(tls: NonNullable<typeof testTls>): SecurityOptions {
  const { cert, key } = tls.security.tls;
  return { tls: { cert, key } };
}

const server = createServer({ listen: "127.0.0.1:0", ...(testTls && { security: securityOf(testTls) }) });
const port = Number((await server.start()).split(":").pop());
const gathering = await startGatheringProxy(port);
const announcing = await startAnnouncingProxy(port);
const connections = [
  { kind: "of many streams", port: gathering.port, may: named.manyStreams },
  { kind: "of a single stream", port: announcing.port, may: named.singleStream },
];
const over = testTls === undefined ? "" : " over TLS";
const faults = await Promise.all(
  connections.map(async ({ kind, port: itsPort, may }) => {
    const report = await runH2spec(itsPort);
    console.log(`a connection ${kind}${over}: ${report.failed.length} of ${report.cases} cases fail`);
    if (report.cases < CASES_MIN) return [`only ${report.cases} cases ran`];
    const fails = await unnamed(itsPort, report, may);
    const passes = Object.keys(may).filter((one) => !report.failed.includes(one));
    return [
      ...fails.map((one) => `a connection ${kind} fails ${one}`),
      ...passes.map((one) => `a connection ${kind} passes ${one}, which is named`),
    ];
  }),
);
await gathering.stop();
await announcing.stop();
await server.close();
rmSync(folder, { recursive: true });

for (const fault of faults.flat()) console.error(fault);
process.exitCode = faults.flat().length === 0 ? 0 : 1;
