/** How many fields a request may have, from the limits of what it may hold: they are counted before it is decoded. */
import type { Limits } from "./limits.ts";

/** Fields of one operation beside its tags, with those that hold it. */
const OPERATION_FIELDS = 16;
/** A client need not count the fields of messages that have no more. */
const MESSAGE_MIN_FIELDS = 32_768;

/** The most fields of a request, those of nested messages included. */
export function requestMaxFields(limits: Limits): number {
  return Math.max(
    MESSAGE_MIN_FIELDS,
    limits.batchMaxOperations * (OPERATION_FIELDS + limits.entryMaxTags) +
      limits.invalidateMaxKeys +
      limits.invalidateMaxTags +
      OPERATION_FIELDS * limits.subscriptionMaxSelectors +
      limits.subscriptionMaxPrefixes,
  );
}
