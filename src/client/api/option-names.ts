/** The names of options: what is no option is refused with the name that was probably meant. */
import { CacheError } from "../../common/errors.ts";

export type OptionNames = ReadonlySet<string>;

/** All names of `Options`: a name that is missing or too much does not compile. */
export function optionNames<Options>(names: Readonly<Record<keyof Options & string, true>>): OptionNames {
  return new Set(Object.keys(names));
}

/** Text that may stand in an error: a name as people write them, and never data. */
const IDENTIFIER = /^[A-Za-z_$][\w$]{0,39}$/;

/** Throws FIELD_INVALID for a field that is no option. `group`: where the options are, such as "nearCache". */
export function checkNames(given: object, names: OptionNames, group = ""): void {
  for (const name of Object.keys(given)) if (!names.has(name)) throw unknownOption(name, names, group);
}

function unknownOption(given: string, names: OptionNames, group: string): CacheError {
  const path = (name: string) => (group === "" ? name : `${group}.${name}`);
  const field = IDENTIFIER.test(given) ? path(given) : path("a field");
  const nearest = nearestName(given, names);
  const bound = nearest === undefined ? `one of ${[...names].join(", ")}` : path(nearest);
  const advice =
    nearest === undefined ? `the options are ${[...names].join(", ")}` : `did you mean ${path(nearest)}?`;
  return new CacheError("FIELD_INVALID", `${field} is no option; ${advice}`, { field, bound });
}

/** The name that was probably meant: one that begins or ends as the given one, else one that differs in few letters. */
export function nearestName(given: string, names: Iterable<string>): string | undefined {
  const wanted = plain(given);
  if (wanted.length < 2 || wanted.length > 40) return undefined;
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const known = plain(name);
    const contains = known.startsWith(wanted) || known.endsWith(wanted) || wanted.startsWith(known);
    const distance = editDistance(wanted, known);
    // Within what is contained, the shortest wins, and all of it wins over a mere likeness.
    const score = contains ? distance / 100 : distance;
    if (score < least && (contains || distance <= Math.max(1, Math.floor(wanted.length / 3)))) {
      best = name;
      least = score;
    }
  }
  return best;
}

/** Without case, separators and the unit, which are what people get wrong. */
const plain = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[_-]/g, "")
    .replace(/(ms|millis|milliseconds|seconds|secs)$/, "");

/** How many letters to add, remove or change (Levenshtein, 1965). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let left = 1; left <= from.length; left += 1) {
    const next = [left];
    for (let right = 1; right <= to.length; right += 1) {
      const changed = (row[right - 1] ?? 0) + (from[left - 1] === to[right - 1] ? 0 : 1);
      next[right] = Math.min(changed, (row[right] ?? 0) + 1, (next[right - 1] ?? 0) + 1);
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
