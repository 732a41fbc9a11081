/** The flags of V8 that a server runs with. */
export const SERVER_V8_FLAGS: readonly string[] = [
  // When thousands of calls wait, a young collection takes 4 to 7 ms; with 16 MiB it takes 8 to 14.
  "--max-semi-space-size=8",
  // V8's helpers wait for cores that the workers use.
  "--no-parallel-scavenge",
  // A collection to give memory back begins in any short pause of the load, and takes 30 ms of the server.
  "--no-memory-reducer",
  // Else the first full collections come with the heap of a process that has just started.
  "--initial-old-space-size=128",
  // After a burst V8 would make short-lived objects in the old generation for good.
  "--no-allocation-site-pretenuring",
];
