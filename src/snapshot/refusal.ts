/** The error of a snapshot that is not loaded. */
import type { RefusalReason } from "../store/api/snapshot-outcome.ts";

/** `message`: one line for whoever runs the server. */
export class SnapshotRefusal extends Error {
  override readonly name = "SnapshotRefusal";
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
