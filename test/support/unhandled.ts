/** Counts what nobody handled, so that a test can say that nothing was. */
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
