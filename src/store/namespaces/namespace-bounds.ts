/** How many bytes namespaces may have and keep: a ceiling, beyond which one evicts its own entries, and a floor. */
import { fieldInvalid } from "../../common/errors.ts";
import type { NamespaceBounds } from "../api/store.ts";

/** What is true of a namespace that no rule names. */
const UNBOUNDED = { ceilingBytes: Infinity, floorBytes: 0 } as const;
export const BOUNDS_FIELD = "namespaces";
/** A namespace, or with `*` for any characters several. */
export const NAMESPACE_PATTERN = /^[a-z0-9._*-]{1,255}$/;

export interface ByteBounds {
  readonly ceilingBytes: number;
  readonly floorBytes: number;
}

/** The bounds of each namespace: those of its own name, else of the longest pattern that matches. */
export class NamespaceRules {
  readonly #exact = new Map<string, ByteBounds>();
  readonly #patterns: { readonly matches: RegExp; readonly bounds: ByteBounds }[] = [];

  constructor(rules: readonly NamespaceBounds[]) {
    const sorted = rules.toSorted((one, other) => other.namespace.length - one.namespace.length);
    for (const { namespace, ceilingBytes = Infinity, floorBytes = 0 } of sorted) {
      const bounds = { ceilingBytes, floorBytes };
      if (isPattern(namespace)) this.#patterns.push({ matches: toExpression(namespace), bounds });
      else this.#exact.set(namespace, bounds);
    }
  }

  /** The namespaces that are named in full. They always have a record. */
  get names(): Iterable<string> {
    return this.#exact.keys();
  }

  of(namespace: string): ByteBounds {
    const exact = this.#exact.get(namespace);
    return exact ?? this.#patterns.find(({ matches }) => matches.test(namespace))?.bounds ?? UNBOUNDED;
  }
}

/**
 * Throws FIELD_INVALID for rules that contradict each other or the store: a name that is none, a floor for a pattern, a
 * floor above its ceiling, floors that together exceed the budget, more names than records.
 */
export function checkNamespaceBounds(
  rules: readonly NamespaceBounds[],
  { budgetBytes, namespacesMax }: { readonly budgetBytes: number; readonly namespacesMax: number },
): void {
  let floorsBytes = 0;
  for (const { namespace, ceilingBytes = Infinity, floorBytes = 0 } of rules) {
    const field = `${BOUNDS_FIELD}.${namespace}`;
    if (!NAMESPACE_PATTERN.test(namespace))
      throw fieldInvalid(BOUNDS_FIELD, "keys of a-z, 0-9, '.', '_', '-' and '*'");
    if (isPattern(namespace) && floorBytes > 0)
      throw fieldInvalid(`${field}.floorBytes`, "given for a full name only");
    if (floorBytes > ceilingBytes)
      throw fieldInvalid(`${field}.floorBytes`, `at most its ceiling of ${ceilingBytes}`);
    floorsBytes += floorBytes;
  }
  if (floorsBytes > budgetBytes) {
    throw fieldInvalid(BOUNDS_FIELD, `floors of at most ${budgetBytes} bytes together, which is the budget`);
  }
  const names = rules.filter(({ namespace }) => !isPattern(namespace)).length;
  if (names > namespacesMax)
    throw fieldInvalid(BOUNDS_FIELD, `at most ${namespacesMax} names (namespacesMax)`);
}

function isPattern(namespace: string): boolean {
  return namespace.includes("*");
}

function toExpression(pattern: string): RegExp {
  const parts = pattern.split("*").map((part) => part.replaceAll(".", String.raw`\.`));
  return new RegExp(`^${parts.join(".*")}$`);
}
