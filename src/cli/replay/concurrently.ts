/** Runs a number of asynchronous loops at the same time. */

/**
 * Runs `step` in `loops` loops, each of which ends when `step` returns undefined. Resolves when all have ended. The
 * first error also ends the others, each after its current step, and rejects.
 */
export async function runConcurrently(loops: number, step: () => Promise<void> | undefined): Promise<void> {
  let failed = false;
  const loop = async (): Promise<void> => {
    try {
      while (!failed) {
        const work = step();
        if (work === undefined) return;
        await work;
      }
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  await Promise.all(Array.from({ length: loops }, loop));
}
