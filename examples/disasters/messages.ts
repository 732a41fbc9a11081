/** What the processes of the example say to each other, over the channel of `fork`. */

/** A row of the database. Each write makes the next version, so that an old value is known by its number. */
export interface Row {
  readonly version: number;
}

export type Ask =
  /** `slowly`: should it have to be loaded, the loader does not come back. */
  | { readonly kind: "read"; readonly id: number; readonly key: string; readonly slowly: boolean }
  /** Its wall clock is set forth by an hour. */
  | { readonly kind: "setClock"; readonly id: number }
  | { readonly kind: "write"; readonly id: number; readonly key: string }
  /** As `write`, for a row that is in the database already. */
  | { readonly kind: "invalidate"; readonly id: number; readonly key: string }
  /** Answered once the cache has acknowledged every invalidation. */
  | { readonly kind: "acknowledge"; readonly id: number }
  /** Ends its client. */
  | { readonly kind: "close"; readonly id: number };

export interface Answer {
  /** Of the row that was read or written. */
  readonly version?: number;
  /** Of a read: "near", "remote" or "loader". */
  readonly source?: string;
  /** Of a read: no server could be asked, and the copy may be as old as `outageTtlMs` says. */
  readonly outage?: boolean;
  /** Of a write: its invalidation waits for a connection. */
  readonly queued?: boolean;
  /** Of `close`: invalidations that no server has acknowledged. */
  readonly unacknowledged?: number;
}

export type Said =
  | { readonly kind: "ready" }
  | { readonly kind: "answer"; readonly id: number; readonly answer: Answer }
  | { readonly kind: "failed"; readonly id: number; readonly why: string }
  /** What the client of the cache told the application. */
  | { readonly kind: "event"; readonly name: string; readonly message: string };

// Nobody is left to serve when the script is gone.
process.once("disconnect", () => process.exit(0));

export function say(said: Said): void {
  process.send?.(said);
}

export async function answer(id: number, work: () => Promise<Answer>): Promise<void> {
  try {
    say({ kind: "answer", id, answer: await work() });
  } catch (error) {
    say({ kind: "failed", id, why: error instanceof Error ? error.message : String(error) });
  }
}
