/** Reads the files that describe services: a FileDescriptorSet, or a .proto file. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { CacheError } from "../../common/errors.ts";
import { rootCauseText } from "../../common/root-cause.ts";
import {
  readServices,
  type ServiceMethod,
  type ServiceSource,
} from "../../responses/options/service-methods.ts";
import { CliError, EXIT } from "../output/exit-codes.ts";

/** Where this package has the options that such files import: beside the sources, or beside `dist`. */
const OWN_PROTOS = ["../../../proto", "../../../../proto"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

export interface Described {
  readonly sources: readonly ServiceSource[];
  readonly methods: readonly ServiceMethod[];
}

/** `protoPaths`: where else imports of a .proto file are looked for. Throws a CliError. */
export async function readDescriptors(file: string, protoPaths: readonly string[]): Promise<Described> {
  try {
    const sources = file.endsWith(".proto") ? await loadProto(file, protoPaths) : [readFileSync(file)];
    return { sources, methods: readServices(sources) };
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    if (isMissing)
      throw new CliError(EXIT.noFile, "NO_FILE", `${file}, or a file that it imports, cannot be read`, {
        cause,
      });
    const why = cause instanceof CacheError ? cause.message : rootCauseText(cause);
    throw new CliError(EXIT.usage, "DESCRIPTORS", `${file} does not describe services: ${why}`, { cause });
  }
}

async function loadProto(file: string, protoPaths: readonly string[]): Promise<object[]> {
  const { loadSync } = await import("@grpc/proto-loader");
  const loaded = loadSync(file, {
    includeDirs: [dirname(file), ...protoPaths, ...OWN_PROTOS],
    keepCase: true,
  });
  return Object.values(loaded).filter((definition) => !("format" in definition));
}
