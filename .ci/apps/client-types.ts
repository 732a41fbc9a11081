// The types of PACKAGE, for a compiler that checks the declarations of packages too.
import { CacheError, type CacheErrorReason, json, MeshCache, type Namespace } from "PACKAGE";

interface User {
  readonly name: string;
}

export const cache: MeshCache = new MeshCache({ address: "127.0.0.1:1" });
export const users: Namespace<User> = cache.namespace("users", { codec: json<User>() });

export async function nameOf(id: string): Promise<string | CacheErrorReason | undefined> {
  try {
    return (await users.getOrLoad(id, () => ({ name: "Ada" })))?.name;
  } catch (error) {
    return error instanceof CacheError ? error.reason : undefined;
  }
}
