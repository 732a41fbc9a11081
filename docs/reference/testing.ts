/** What `import "meshcache/testing"` gives. */
export * from "../../src/testing/index.ts";
