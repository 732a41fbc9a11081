/**
 * Runs connectconformance, the conformance tests of the Connect protocol and of gRPC-web, against their own service behind the
 * listener, the gateway and the interceptors of this server: `npm run proof:connect`. Fails for a case that fails and is named
 * neither in test/conformance/known-failing.txt nor in known-flaky.txt, and for one of the former that passes.
 * CONFORMANCE_BIN is another binary.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

const MODULE = "connectrpc.com/conformance";
const VERSION = "v1.0.7";

const binary =
  process.env.CONFORMANCE_BIN ??
  execFileSync("sh", ["scripts/build-go-program.sh", `${MODULE}/cmd/connectconformance`, VERSION], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
const goModules = execFileSync("go", ["env", "GOMODCACHE"], { encoding: "utf8" }).trim();
const folder = mkdtempSync(join(tmpdir(), "conformance-"));
try {
  // The descriptors of the tests are in the module that they are in.
  const protoSet = join(folder, "conformance.binpb");
  execFileSync(
    "buf",
    ["build", join(goModules, `${MODULE}@${VERSION}`, "proto"), "--as-file-descriptor-set", "-o", protoSet],
    { stdio: "inherit" },
  );
  // In one file: a process starts for each kind of connection, and the tests do not wait long for it.
  const program = join(folder, "served.cjs");
  await build({
    entryPoints: ["test/conformance/served.ts"],
    outfile: program,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    define: { "import.meta.url": '"file:///served"' },
    logLevel: "warning",
  });
  const { status } = spawnSync(
    binary,
    [
      "--mode",
      "server",
      "--conf",
      "test/conformance/config.yaml",
      "--known-failing",
      "@test/conformance/known-failing.txt",
      "--known-flaky",
      "@test/conformance/known-flaky.txt",
      "--parallel",
      "2",
      ...process.argv.slice(2),
      "--",
      process.execPath,
      program,
    ],
    { stdio: "inherit", env: { ...process.env, PROTO_SET: protoSet } },
  );
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
