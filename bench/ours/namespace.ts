/** The namespace of all rows. */
export const namespace = "bench";
