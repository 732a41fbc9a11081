/** The type of every option that is a time. */
import type { DurationUnit } from "../../common/duration.ts";

/**
 * A time: whole milliseconds as a number, or text with a unit, such as "250ms", "30s", "10m", "1.5h" or "7d". "m" and "min" are
 * minutes. A number in text without a unit is refused: some would read it as seconds.
 */
export type Duration = number | `${number}${DurationUnit}`;
