/** What `meshcache lint-cache` says of the options of methods: their errors, and what is probably not meant. */
import { Sharing } from "../../../gen/meshcache/options/v1/caching_pb.ts";
import { compileRules, type Problem } from "./method-rules.ts";
import { methodName } from "./option-checks.ts";
import type { ReadRule } from "./read-rule.ts";
import type { ServiceMethod } from "./service-methods.ts";
import type { WriteRule } from "./write-rule.ts";

export interface LintResult {
  /** How many methods have options. */
  readonly methods: number;
  readonly problems: readonly Problem[];
}

/** How names of methods begin that change something. */
const WRITING =
  /^(?:Add|Append|Apply|Approve|Assign|Cancel|Clear|Create|Delete|Disable|Drop|Enable|Import|Insert|Mark|Merge|Move|Patch|Post|Publish|Purge|Put|Remove|Rename|Replace|Reset|Restore|Revoke|Save|Send|Set|Start|Stop|Store|Submit|Undelete|Update|Upsert|Write)(?![a-z])/;

export function lintMethods(methods: readonly ServiceMethod[]): LintResult {
  const { byPath, problems } = compileRules(methods);
  const found: Problem[] = [...problems];
  const rules = [...byPath.values()];
  const reads = rules.filter((rule) => rule.kind === "read");
  const writes = rules.filter((rule) => rule.kind === "write");
  const warn = (method: string, option: string, text: string) =>
    found.push({ severity: "warning", method, option, text });
  for (const method of methods) {
    if (method.cache !== undefined) lintRead(method, found);
  }
  for (const read of reads) lintTags(read, writes, warn);
  const readShapes = shapesOf(reads);
  for (const { name, tags } of writes) {
    for (const { text, shape } of tags)
      if (!readShapes.has(shape)) warn(name, "invalidates.tags", `"${text}" is a tag of no read`);
  }
  const order = { error: 0, warning: 1 };
  return {
    methods: methods.filter(({ cache, invalidates }) => cache !== undefined || invalidates !== undefined)
      .length,
    problems: found.sort((left, right) => order[left.severity] - order[right.severity]),
  };
}

type Warn = (method: string, option: string, text: string) => void;

function lintRead(method: ServiceMethod, found: Problem[]): void {
  const name = methodName(method);
  const { sideEffects, cache } = method;
  if (sideEffects === "unknown") {
    found.push(
      WRITING.test(method.name)
        ? {
            severity: "error",
            method: name,
            option: "cache",
            text: "is of a method that by its name has side effects; if it has none, say idempotency_level = NO_SIDE_EFFECTS",
          }
        : {
            severity: "warning",
            method: name,
            option: "cache",
            text: "is of a method that does not say idempotency_level = NO_SIDE_EFFECTS",
          },
    );
  }
  const key = cache?.key ?? [];
  if (key.length > 0) {
    const roots = new Set(key.map((field) => field.split(".", 1)[0]));
    const others = [...method.input.byName.keys()].filter((field) => !roots.has(field));
    if (others.length > 0) {
      const text = `leaves out ${others.join(", ")}: the response must not depend on it`;
      found.push({ severity: "warning", method: name, option: "cache.key", text });
    }
  }
  if (cache?.sharing === Sharing.ALL) {
    const text = "is SHARING_ALL: where a client or a sidecar caches, the service does not see who calls";
    found.push({ severity: "warning", method: name, option: "cache.sharing", text });
  }
}

function lintTags(read: ReadRule, writes: readonly WriteRule[], warn: Warn): void {
  const written = shapesOf(writes);
  for (const { text, shape } of read.tags)
    if (!written.has(shape)) warn(read.name, "cache.tags", `"${text}" is a tag that no write invalidates`);
  const isInvalidated =
    read.tags.some(({ shape }) => written.has(shape)) || writes.some(({ reads }) => reads.has(read.name));
  if (!isInvalidated)
    warn(read.name, "cache", "is of a method whose responses no write invalidates: they end with their ttl");
}

const shapesOf = (rules: readonly (ReadRule | WriteRule)[]): ReadonlySet<string> =>
  new Set(rules.flatMap(({ tags }) => tags.map(({ shape }) => shape)));
