/** Sizes of images as a registry has them: their layers compressed. Uses what .ci/image leaves in the store of buildah. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BASE = "gcr.io/distroless/cc-debian12";
const env = { STORAGE_DRIVER: "vfs", BUILDAH_ISOLATION: "chroot", ...process.env };

function buildah(...parameters: string[]): string {
  const stdio: ["ignore", "pipe", "ignore"] = ["ignore", "pipe", "ignore"];
  return execFileSync("buildah", parameters, { env, encoding: "utf8", stdio }).trim();
}

/** Of an image that is there. Undefined: it is not, or there is no buildah. */
export function builtImageBytes(name: string): number | undefined {
  try {
    buildah("inspect", "--type", "image", name);
  } catch {
    return undefined;
  }
  return pushedBytes(name);
}

/** Of an image with a program of this system and the libraries that it names, on the base of our own image. */
export function imageBytesWith(program: string): number {
  const container = buildah("from", "--pull=never", BASE);
  try {
    for (const file of [program, ...librariesOf(program)]) buildah("copy", "--quiet", container, file, file);
    const image = buildah("commit", "--quiet", container);
    try {
      return pushedBytes(image);
    } finally {
      buildah("rmi", image);
    }
  } finally {
    buildah("rm", container);
  }
}

/** The base has those of glibc and of the C++ compiler. */
function librariesOf(program: string): string[] {
  const named = execFileSync("ldd", [program], { encoding: "utf8" });
  return [...named.matchAll(/=> (\/\S+)/g)]
    .map(([, file = ""]) => file)
    .filter((file) => !/\/(libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s)\.so/.test(file));
}

function pushedBytes(image: string): number {
  const folder = mkdtempSync(join(tmpdir(), "meshcache-bench-image-"));
  try {
    const archive = join(folder, "image.tar");
    buildah("push", "--quiet", image, `oci-archive:${archive}`);
    return statSync(archive).size;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
