/** The namespace of all rows. */
export const NAMESPACE = "bench";
