/** How many unary calls are under way at once, whoever makes them. */

export const connections = 8;
export const streamsPerConnection = 32;
