/**
 * A server whose files are replaced, in a process of its own: `node server-process.ts SECURITY`, the security options as JSON. It prints
 * its address, and then each line of its log.
 */
import { createServer, type SecurityOptions } from "../../../src/server/index.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { CALM } from "../../support/test-workers.ts";

const security: SecurityOptions = JSON.parse(process.argv[2] ?? "{}");
const print = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`);
const write = (fields: object, message: string) => print({ ...fields, message });
const server = createServer({
  listen: "127.0.0.1:0",
  security,
  transport: CALM,
  telemetry: createNoTelemetry({ info: write, warn: write, error: write }),
});
print({ address: await server.start() });
process.once("disconnect", () => process.exit());
