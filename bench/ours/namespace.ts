/** The namespace that every row works in. */
export const namespace = "bench";
