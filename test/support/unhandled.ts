/** Counts unhandled errors and rejections, so that a test can require that there are none. */
export interface UnhandledCount {
  readonly errors: readonly unknown[];
  stop(): void;
}

export function countUnhandled(): UnhandledCount {
  const errors: unknown[] = [];
  const note = (error: unknown) => errors.push(error);
  process.on("unhandledRejection", note);
  process.on("uncaughtExceptionMonitor", note);
  return {
    errors,
    stop() {
      process.off("unhandledRejection", note);
      process.off("uncaughtExceptionMonitor", note);
    },
  };
}
