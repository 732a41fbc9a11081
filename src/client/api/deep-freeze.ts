/** Deep freezing, so that readers of one near copy cannot write to each other's value. */

/**
 * Freezes a value and all that it holds. False when some of it cannot be made immutable (typed arrays, maps,
 * sets, dates): such a value must not be shared. Stops early then, so a part may be frozen.
 */
export function deepFreeze(value: unknown): boolean {
  return walk(value, (part) => {
    Object.freeze(part);
    return true;
  });
}

/** Whether nobody can write to any part of a value. */
export function isDeepFrozen(value: unknown): boolean {
  return walk(value, Object.isFrozen);
}

/** Visits what a value holds, as long as it could be immutable and `visit` says yes. */
function walk(value: unknown, visit: (part: object) => boolean): boolean {
  const waiting: unknown[] = [value];
  // What came frozen may hold what is not, so it is looked into, but once.
  let cameFrozen: Set<object> | undefined;
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next === "function") return false;
    if (typeof next !== "object" || next === null) continue;
    if (Object.isFrozen(next)) {
      cameFrozen ??= new Set();
      if (cameFrozen.has(next)) continue;
      cameFrozen.add(next);
    }
    const prototype: unknown = Object.getPrototypeOf(next);
    const plain = prototype === Object.prototype || prototype === null || Array.isArray(next);
    // Messages of protobuf-es with explicit presence inherit their defaults from a plain prototype.
    if (!plain && !("$typeName" in next)) return false;
    if (!visit(next)) return false;
    waiting.push(...Object.values(next));
  }
  return true;
}
