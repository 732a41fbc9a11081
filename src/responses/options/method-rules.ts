/** The rules of methods: their options, checked and compiled. */
import { methodName, type Report } from "./option-checks.ts";
import { compileRead, type ReadRule } from "./read-rule.ts";
import type { ServiceMethod } from "./service-methods.ts";
import { compileWrite, type WriteRule } from "./write-rule.ts";

/** What is wrong with an option of a method. A warning is for `lint-cache` alone. */
export interface Problem {
  readonly severity: "error" | "warning";
  /** "users.v1.UserService.GetUser" */
  readonly method: string;
  /** "cache.key" */
  readonly option: string;
  readonly text: string;
}

export type MethodRule = ReadRule | WriteRule;

export interface Rules {
  /** By the paths of calls: "/users.v1.UserService/GetUser". */
  readonly byPath: ReadonlyMap<string, MethodRule>;
  readonly problems: readonly Problem[];
}

/** Compiles the rules of all methods. A method with an error has no rule. */
export function compileRules(methods: readonly ServiceMethod[]): Rules {
  const byPath = new Map<string, MethodRule>();
  const problems: Problem[] = [];
  const compile = (method: ServiceMethod, make: (report: Report) => MethodRule) => {
    let failed = false;
    const rule = make((option, text) => {
      failed = true;
      problems.push({ severity: "error", method: methodName(method), option, text });
    });
    if (!failed) byPath.set(`/${method.service}/${method.name}`, rule);
  };
  const reads = new Map<string, ReadRule>();
  for (const method of methods) {
    const { cache } = method;
    if (cache === undefined) continue;
    compile(method, (report) => {
      const rule = compileRead(method, cache, report);
      reads.set(methodName(method), rule);
      return rule;
    });
  }
  for (const method of methods) {
    const { invalidates } = method;
    if (invalidates !== undefined)
      compile(method, (report) => compileWrite(method, invalidates, reads, report));
  }
  return { byPath, problems };
}
