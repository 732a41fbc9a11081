/** How many unary calls are in flight, for every load generator. */

export const CONNECTIONS = 8;
export const STREAMS_PER_CONNECTION = 32;
