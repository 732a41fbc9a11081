/** How a process takes processor time in the course of a window: milliseconds at the end of each slot. */

/** The kernel counts in steps of 10 ms. */
export const SLOT_MS = 50;

export type Course = readonly number[];

/** Follows from now on what `cpuMs` reads. Returns what ends that, and gives the course. */
export function follow(cpuMs: () => number): () => Course {
  const beganMs = performance.now();
  const before = cpuMs();
  const course: number[] = [];
  const timer = setInterval(() => {
    const spent = Math.max(cpuMs() - before, course.at(-1) ?? 0);
    // A timer may be late, and some slots are then as one.
    while ((course.length + 1) * SLOT_MS <= performance.now() - beganMs) course.push(spent);
  }, SLOT_MS);
  return () => {
    clearInterval(timer);
    return course;
  };
}

/** What a course has beyond `share` of a core. */
export function beyond(course: Course, share: number): Course {
  let most = 0;
  return course.map((spent, slot) => {
    most = Math.max(most, spent - share * (slot + 1) * SLOT_MS);
    return most;
  });
}

/** What is to be burnt so long after the beginning. Undefined: the course is over. */
export function dueMs(course: Course, passedMs: number): number | undefined {
  if (passedMs >= course.length * SLOT_MS) return undefined;
  const slot = Math.floor(passedMs / SLOT_MS);
  const [before = 0, after = before] = [course[slot - 1] ?? 0, course[slot]];
  return before + (after - before) * (passedMs / SLOT_MS - slot);
}

/** The same in as many processes as it takes cores. */
export function split(course: Course): Course[] {
  const slots = course.map((spent, slot) => spent - (course[slot - 1] ?? 0));
  const cores = Math.max(1, Math.ceil(Math.max(0, ...slots) / SLOT_MS - 0.2));
  return Array<Course>(cores).fill(course.map((spent) => spent / cores));
}

/** A share of a core all the time. */
export function steady(share: number, seconds: number): Course {
  return Array.from({ length: (1_000 * seconds) / SLOT_MS }, (_, slot) => share * (slot + 1) * SLOT_MS);
}
