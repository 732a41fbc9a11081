/** Freezes values deeply, so that the readers that share a near copy cannot change it for each other. */

/**
 * Freezes a value and everything in it. False: some of it cannot be made immutable (typed arrays, maps, sets, dates), and
 * the value must not be shared; other parts of it may be frozen by then.
 */
export function deepFreeze(value: unknown): boolean {
  // Each reader of a near copy of bytes comes here.
  if (ArrayBuffer.isView(value)) return false;
  return walk(value, (part) => {
    Object.freeze(part);
    return true;
  });
}

/** Whether no part of a value can be changed. */
export function isDeepFrozen(value: unknown): boolean {
  return walk(value, Object.isFrozen);
}

/** Freezes a value and everything in it, or nothing of it. False: some of it cannot be frozen, or not be read. */
export function freezeIfPlain(value: unknown): boolean {
  const parts = new Set<object>();
  try {
    const isPlain = walk(
      value,
      (part) => {
        parts.add(part);
        return true;
      },
      parts,
    );
    if (!isPlain) return false;
    for (const part of parts) Object.freeze(part);
    return true;
  } catch {
    // A getter or a proxy of the application.
    return false;
  }
}

/**
 * Calls `visit` for every object in a value. False, at the first that cannot be immutable or that `visit` refuses. Objects in
 * `known` are not visited again. It keeps its own stack, so the depth of the value does not matter.
 */
function walk(value: unknown, visit: (part: object) => boolean, known?: ReadonlySet<object>): boolean {
  const waiting: unknown[] = [value];
  // A frozen object may hold others that are not frozen. Remembered, so that cycles end.
  let cameFrozen: Set<object> | undefined;
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next === "function") return false;
    if (typeof next !== "object" || next === null || known?.has(next)) continue;
    if (Object.isFrozen(next)) {
      cameFrozen ??= new Set();
      if (cameFrozen.has(next)) continue;
      cameFrozen.add(next);
    }
    const prototype: unknown = Object.getPrototypeOf(next);
    const plain = prototype === Object.prototype || prototype === null || Array.isArray(next);
    // Messages of protobuf-es may have a prototype of their own, which holds the defaults of their fields.
    if (!plain && !("$typeName" in next)) return false;
    if (!visit(next)) return false;
    for (const part of Object.values(next)) if (isObject(part)) waiting.push(part);
  }
  return true;
}

const isObject = (part: unknown): boolean =>
  (typeof part === "object" && part !== null) || typeof part === "function";
