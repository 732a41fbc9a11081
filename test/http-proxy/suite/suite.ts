/** The suite of http-cache-tests: its tests, a run of them by its own client, and what their results mean. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

export type Kind = "required" | "optimal" | "check";

interface SuiteTest {
  readonly id: string;
  readonly kind?: Kind;
  readonly depends_on?: readonly string[];
  readonly browser_only?: boolean;
}

/** True, or the name of an error and its text. */
export type Results = Readonly<Record<string, true | readonly [name: string, text: string]>>;

export interface Suite {
  readonly folder: string;
  readonly tests: readonly SuiteTest[];
}

export interface Judged {
  readonly ids: ReadonlySet<string>;
  readonly passed: number;
  readonly kinds: Readonly<Record<Kind, { readonly passed: number; readonly all: number }>>;
  /** Those that indicate a conformance problem. */
  readonly failed: readonly { readonly id: string; readonly text: string }[];
}

const RUN = fileURLToPath(new URL("run-process.ts", import.meta.url));
const OUTPUT_MAX_BYTES = 2 ** 24;

/** `folder`: that of the package. */
export async function loadSuite(folder: string): Promise<Suite> {
  const groups: { readonly tests: readonly SuiteTest[] }[] = await testGroups(folder);
  const tests = groups.flatMap((group) => group.tests).filter(({ browser_only }) => browser_only !== true);
  return { folder, tests };
}

/** The groups of tests that a cache which is no browser is to pass. */
export async function testGroups(folder: string) {
  const load = (path: string) => import(pathToFileURL(join(folder, path)).href);
  const groups = [...(await load("tests/index.mjs")).default];
  // An older version has them apart, and its command runs them too.
  const surrogate = await load("tests/surrogate-control.mjs").catch(() => undefined);
  return surrogate === undefined ? groups : [...groups, surrogate.default];
}

/** Runs all tests against a cache, in a process of its own: the suite keeps its results, and writes into its tests. */
export async function runSuite({ folder }: Suite, base: string): Promise<Results> {
  const { stdout } = await promisify(execFile)(process.execPath, [RUN, folder, base], {
    maxBuffer: OUTPUT_MAX_BYTES,
  });
  return JSON.parse(stdout);
}

export function judge({ tests }: Suite, results: Results): Judged {
  const byId = new Map(tests.map((test) => [test.id, test]));
  const isDependent = (test: SuiteTest | undefined): boolean =>
    (test?.depends_on ?? []).some((id) => results[id] !== true || isDependent(byId.get(id)));
  const kinds = {
    required: { passed: 0, all: 0 },
    optimal: { passed: 0, all: 0 },
    check: { passed: 0, all: 0 },
  };
  const failed: { id: string; text: string }[] = [];
  let passed = 0;
  for (const test of tests) {
    const { id, kind = "required" } = test;
    const result = results[id];
    kinds[kind].all += 1;
    if (result === true) {
      passed += 1;
      kinds[kind].passed += 1;
    } else if (kind === "required" && result?.[0] === "Assertion" && !isDependent(test))
      failed.push({ id, text: result[1] });
  }
  return { ids: new Set(byId.keys()), passed, kinds, failed };
}
