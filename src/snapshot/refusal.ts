/** Why a snapshot is not loaded. */

/**
 * `too_old`: older than the setting allows. `clock`: it was written later than now. `used`: a store was started with it, or with
 * a later one, before. `format`: another version. `layout`: of another layout of memory. `setting`: the settings have no room for
 * it. `damaged`: its bytes changed, or some are missing. `io`: it could not be read or put aside.
 */
export type RefusalReason = "too_old" | "clock" | "used" | "format" | "layout" | "setting" | "damaged" | "io";

/** `message`: one line for whoever runs the server. */
export class SnapshotRefusal extends Error {
  override readonly name = "SnapshotRefusal";
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
