/** What `import "meshcache"` gives, under the name that its users import it by. */
export * from "../../src/index.ts";
