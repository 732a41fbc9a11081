/** Finds what JSON would change in a value. */

/** Property names that may stand in an error: names as people write them in code, and never data. */
const IDENTIFIER = /^[A-Za-z_$][\w$]{0,39}$/;
/** So many steps of a path are named, the last ones. */
const PATH_MAX_STEPS = 12;

interface Part {
  readonly value: object;
  /** Undefined: the whole value. */
  readonly holder: Part | undefined;
  readonly step: string | number;
}

/**
 * The path of the first part that would not come back from JSON as it is, and what it is: "$.list[3].at is a Date". Undefined:
 * all of it would. Of a value without cycles, such as one that JSON.stringify has taken. The value itself is never named.
 */
export function lostInJson(value: unknown): string | undefined {
  const ofWhole = lost(value);
  if (ofWhole !== undefined) return `$ ${ofWhole}`;
  const waiting: Part[] = isObject(value) ? [{ value, holder: undefined, step: "" }] : [];
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    const found = Array.isArray(part.value)
      ? searchArray(part, part.value, waiting)
      : searchObject(part, waiting);
    if (found !== undefined) return found;
  }
  return undefined;
}

function searchArray(holder: Part, items: readonly unknown[], waiting: Part[]): string | undefined {
  for (let step = 0; step < items.length; step += 1) {
    const found = search(holder, step, items[step], waiting);
    if (found !== undefined) return found;
  }
  return undefined;
}

function searchObject(holder: Part, waiting: Part[]): string | undefined {
  for (const [step, value] of Object.entries(holder.value)) {
    const found = search(holder, step, value, waiting);
    if (found !== undefined) return found;
  }
  return Object.getOwnPropertySymbols(holder.value).length > 0
    ? `${pathOf(holder)} has a symbol as a property`
    : undefined;
}

function search(holder: Part, step: string | number, value: unknown, waiting: Part[]): string | undefined {
  const what = lost(value);
  if (isObject(value)) {
    const part = { value, holder, step };
    if (what !== undefined) return `${pathOf(part)} ${what}`;
    waiting.push(part);
  } else if (what !== undefined) return `${pathOf({ value: {}, holder, step })} ${what}`;
  return undefined;
}

/** What JSON would change of the value itself, not of its parts. */
function lost(value: unknown): string | undefined {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? undefined : "is no finite number";
    case "undefined":
      return "is undefined";
    case "bigint":
    case "function":
    case "symbol":
      return `is a ${typeof value}`;
    case "object":
      return value === null ? undefined : lostOfObject(value);
    default:
      return undefined;
  }
}

function lostOfObject(value: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === null || prototype === Object.prototype || prototype === Array.prototype;
  if (isPlain) return "toJSON" in value && typeof value.toJSON === "function" ? "has a toJSON()" : undefined;
  const ofClass = value.constructor;
  const name = typeof ofClass === "function" && IDENTIFIER.test(ofClass.name) ? ofClass.name : "a class";
  return `is an instance of ${name}`;
}

function pathOf(part: Part): string {
  const steps: string[] = [];
  let at: Part | undefined = part;
  for (; at?.holder !== undefined && steps.length < PATH_MAX_STEPS; at = at.holder) {
    const { step } = at;
    if (typeof step === "number") steps.push(`[${step}]`);
    else steps.push(IDENTIFIER.test(step) ? `.${step}` : "[...]");
  }
  return `$${at?.holder === undefined ? "" : "..."}${steps.reverse().join("")}`;
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
