/**
 * Bundles the command line with the packages that it uses: a few files are loaded in a fraction of the time that Node takes to
 * find and link more than a thousand modules, in every worker thread again.
 */
import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";

const SOURCES = fileURLToPath(new URL("../src/cli", import.meta.url));

/**
 * Modules in `folder`, which load their parts when they need them: `launch.js` is to be run. Returns the licences of what is in
 * them.
 */
export function bundleCommand(folder: string): Promise<string> {
  return bundle({
    entryPoints: [join(SOURCES, "launch.ts"), join(SOURCES, "serving/serve-thread.ts")],
    outbase: SOURCES,
    outdir: folder,
    format: "esm",
    splitting: true,
    // As deep in the folder as the modules that look for files beside them.
    chunkNames: "serving/[name]-[hash]",
    target: "node22",
    // Packages in CommonJS ask for Node's own modules by it.
    banner: {
      js: 'import { createRequire as bundledRequire } from "node:module";\nconst require = bundledRequire(import.meta.url);',
    },
  });
}

/** One file in CommonJS: the only form that a single executable file and a thread without a file take. */
export function bundleScript(entryPoint: string, file: string, options: BuildOptions = {}): Promise<string> {
  return bundle({
    entryPoints: [entryPoint],
    outfile: file,
    format: "cjs",
    target: "node24",
    // A script without a file has nothing that resolves an import: Node's own modules are required.
    supported: { "dynamic-import": false },
    define: { "import.meta.url": '"file:///meshcache"' },
    ...options,
  });
}

/** The same as an expression: a function that takes `require`. */
export function bundleFunction(entryPoint: string, file: string): Promise<string> {
  return bundleScript(entryPoint, file, { banner: { js: "(function (require) {" }, footer: { js: "})" } });
}

/** Packages whose modules ask for others in a way that no bundler sees. */
const BUNDLED_FORMS = {
  "@opentelemetry/otlp-grpc-exporter-base": fileURLToPath(
    new URL("../node_modules/@opentelemetry/otlp-grpc-exporter-base/dist/index.cjs", import.meta.url),
  ),
};

/** Throws an Error when a package would be looked for at run time. */
function checkWhole(file: string): void {
  for (const [, name = ""] of readFileSync(file, "utf8").matchAll(/__require\d*\("([^"]+)"\)/g)) {
    if (!isBuiltin(name)) throw new Error(`${file} has not ${name} in it, and asks for it`);
  }
}

async function bundle(options: BuildOptions): Promise<string> {
  const { metafile } = await build({
    ...options,
    bundle: true,
    platform: "node",
    alias: BUNDLED_FORMS,
    metafile: true,
    legalComments: "none",
    logLevel: "warning",
  });
  for (const file of Object.keys(metafile.outputs)) checkWhole(file);
  const folders = Object.keys(metafile.inputs).map(
    (path) => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(path)?.[0],
  );
  return licencesOf([...new Set(folders)].filter((folder) => folder !== undefined).sort());
}

function licencesOf(folders: readonly string[]): string {
  const rule = "=".repeat(80);
  return folders
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
      const text = file === undefined ? "" : readFileSync(join(folder, file), "utf8").trim();
      return `${rule}\n${name} ${version} (${license})\n${rule}\n${text}\n`;
    })
    .join("\n");
}
