/** Which rows of the live events are shown. */
import type { Row } from "./live-events.ts";

export interface EventFilter {
  /** Part of the key, tag or prefix. Empty: all. */
  readonly text: string;
  /** Part of the writer's client id. Empty: all. */
  readonly origin: string;
  /** Empty: all. */
  readonly kind: string;
}

/** Newest first. A gap is always shown: what is missing may have matched. */
export function matchingRows(rows: readonly Row[], { text, origin, kind }: EventFilter): readonly Row[] {
  const isAll = text === "" && origin === "" && kind === "";
  const matching = isAll
    ? rows
    : rows.filter(
        (row) =>
          row.row === "gap" ||
          ((kind === "" || row.kind === kind) && row.target.includes(text) && row.origin.includes(origin)),
      );
  return matching.toReversed();
}
