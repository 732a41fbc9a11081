/** What became of the snapshot with which a store was to begin. */

/**
 * `too_old`: older than the setting allows. `clock`: it was written later than now. `used`: a store was started with it, or with
 * a later one, before. `format`: another version. `layout`: of another layout of memory. `setting`: the settings have no room for
 * it. `damaged`: its bytes changed, or some are missing. `io`: it could not be read or put aside. `unfinished`: the server ended
 * while it wrote it.
 */
export type RefusalReason =
  | "too_old"
  | "clock"
  | "used"
  | "format"
  | "layout"
  | "setting"
  | "damaged"
  | "io"
  | "unfinished";

export type SnapshotOutcome =
  /** There was none. */
  | { readonly kind: "none" }
  | {
      readonly kind: "loaded";
      /** By the wall clock. */
      readonly writtenAtMs: number;
      readonly entries: number;
      readonly bytes: number;
      readonly loadMs: number;
    }
  /** The store began empty. `message`: one line for whoever runs the server. */
  | { readonly kind: "refused"; readonly reason: RefusalReason; readonly message: string };
