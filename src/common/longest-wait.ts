/** The longest that a caller can choose for anything to take, in milliseconds: 10 minutes. */
export const LONGEST_WAIT_MS = 600_000;
