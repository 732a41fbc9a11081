/**
 * Virtual time: a queue of tasks, ordered by instant. The next task runs only when all promises of the last one have
 * settled. So the seed alone decides every interleaving.
 */
import type { Timer } from "../../src/common/clock.ts";

interface Task {
  readonly atMs: number;
  /** Tasks of one instant run in the order in which they were scheduled. */
  readonly sequence: number;
  run: (() => void) | undefined;
}

export interface VirtualTime {
  /** A whole number of milliseconds. The simulation uses no wall clock. */
  nowMs(): number;
  at(atMs: number, run: () => void): Timer;
  /** Runs every task due up to `untilMs`, or until `done` returns true. */
  run(untilMs: number, done?: () => boolean): Promise<void>;
  readonly tasksRun: number;
}

const promisesSettled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function createVirtualTime(): VirtualTime {
  const heap: Task[] = [];
  let nowMs = 0;
  let sequence = 0;
  let tasksRun = 0;

  const before = (a: Task, b: Task): boolean =>
    a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);

  function push(task: Task): void {
    let index = heap.length;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || !before(task, parent)) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = task;
  }

  function pop(): Task | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = heap[childIndex];
      if (child === undefined) break;
      const right = heap[childIndex + 1];
      if (right !== undefined && before(right, child)) {
        child = right;
        childIndex += 1;
      }
      if (!before(child, last)) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = last;
    return first;
  }

  return {
    nowMs: () => nowMs,
    get tasksRun() {
      return tasksRun;
    },
    at(atMs, run) {
      const task: Task = { atMs: Math.max(nowMs, Math.ceil(atMs)), sequence, run };
      sequence += 1;
      push(task);
      return {
        cancel() {
          task.run = undefined;
        },
      };
    },
    async run(untilMs, done = () => false) {
      await promisesSettled();
      for (;;) {
        const next = heap[0];
        if (next === undefined || next.atMs > untilMs || done()) break;
        pop();
        const { run } = next;
        if (run === undefined) continue;
        next.run = undefined;
        nowMs = next.atMs;
        tasksRun += 1;
        run();
        await promisesSettled();
      }
      if (!done()) nowMs = Math.max(nowMs, untilMs);
    },
  };
}
