/** The definition of the service, from its proto. */
import { fileURLToPath } from "node:url";
import type { ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

export interface User {
  readonly userId: number;
  readonly name: string;
}

/** In your own project, `meshcache/proto` has the options. */
const includeDirs = ["./protos", "../../proto"].map((path) => fileURLToPath(new URL(path, import.meta.url)));

export const definition = loadSync("users/v1/users.proto", { includeDirs })[
  "users.v1.UserService"
] as ServiceDefinition;

/** What the processes of the example are told, and answer, beside what `../tracing.ts` reports. */
export type Order =
  | { readonly kind: "get"; readonly userId: number }
  | { readonly kind: "rename"; readonly userId: number; readonly name: string }
  /** Waits until every invalidation has reached the process that was acknowledged before. */
  | { readonly kind: "sync" }
  /** Calls for each of these users, eight at a time, through the cache or without it. */
  | { readonly kind: "replay"; readonly userIds: readonly number[]; readonly cached: boolean }
  /** How many calls the service has had. */
  | { readonly kind: "calls" };

export interface Done {
  readonly kind: "done";
  readonly result: unknown;
}

export interface Called {
  readonly user: User;
  /** What `x-meshcache` says. */
  readonly mark: string;
  readonly tookMs: number;
}

/** How many answers came from where. */
export type Replayed = Readonly<Record<string, number>>;
