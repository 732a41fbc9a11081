/** The environment variables of the allocator that a server runs with. Other allocators than glibc's ignore them. */
export const SERVER_ENVIRONMENT: Readonly<Record<string, string>> = {
  // Memory of this size or more is mapped by itself, and is the system's again when it is freed. By default glibc raises the
  // bound to what is freed, up to 32 MiB: then what a burst sends and is sent leaves holes that stay resident. Node reads
  // sockets into memory of this size.
  MALLOC_MMAP_THRESHOLD_: String(64 * 1024),
  // The system lets a process have 65,530 mappings, and V8 needs some.
  MALLOC_MMAP_MAX_: String(16 * 1024),
  // Less is not given back at once: it is probably needed again.
  MALLOC_TRIM_THRESHOLD_: String(4 * 1024 * 1024),
};
