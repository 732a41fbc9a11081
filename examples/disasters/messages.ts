/** What the processes of the example say to each other, over the channel of `fork`. */

/** A row of the database. Each write makes the next version, so that an old value is known by its number. */
export interface Row {
  readonly version: number;
}

export type Ask =
  /** `slowly`: should it have to be loaded, the loader does not come back. */
  | { readonly kind: "read"; readonly id: number; readonly key: string; readonly slowly: boolean }
  | { readonly kind: "write"; readonly id: number; readonly key: string };

export type Said =
  | { readonly kind: "ready" }
  | { readonly kind: "answer"; readonly id: number; readonly version: number; readonly source: string }
  | { readonly kind: "failed"; readonly id: number; readonly why: string }
  /** What the client of the cache told the application. */
  | { readonly kind: "event"; readonly message: string };

// Nobody is left to serve when the script is gone.
process.once("disconnect", () => process.exit(0));

export function say(said: Said): void {
  process.send?.(said);
}

export async function answer(
  id: number,
  work: () => Promise<{ readonly version: number; readonly source: string }>,
): Promise<void> {
  try {
    say({ kind: "answer", id, ...(await work()) });
  } catch (error) {
    say({ kind: "failed", id, why: error instanceof Error ? error.message : String(error) });
  }
}
