/** How many unary calls are in flight, for every load generator. */

export const connections = 8;
export const streamsPerConnection = 32;
