/** Unary gRPC calls from h2load, a load generator in C that is faster than any JavaScript server. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONNECTIONS, STREAMS_PER_CONNECTION } from "./unary-shape.ts";

/** Returns calls per second. Every call has the request `message`, because h2load repeats one body. */
export async function runH2load(url: string, message: Uint8Array, durationMs: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "meshcache-bench-"));
  try {
    const body = join(folder, "request.bin");
    await writeFile(body, grpcFrame(message));
    const output = await run([
      ...["-D", `${durationMs}ms`, "-c", `${CONNECTIONS}`, "-m", `${STREAMS_PER_CONNECTION}`],
      ...["-d", body, "-H", "content-type: application/grpc", "-H", "te: trailers", url],
    ]);
    const rate = output.match(/finished in [^,]+, ([\d.]+) req\/s/)?.[1];
    const failures = output.match(/(\d+) failed, (\d+) errored, (\d+) timeout/);
    if (rate === undefined || failures === null) throw new Error(`h2load: not understood\n${output}`);
    if (Number(failures[1]) + Number(failures[2]) + Number(failures[3]) > 0) {
      throw new Error(`h2load: ${failures[0]}`);
    }
    return Number(rate);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** One uncompressed message in the gRPC wire format. */
function grpcFrame(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("h2load", args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
    });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve(output) : reject(new Error(`h2load: ${code}\n${output}`)),
    );
  });
}
