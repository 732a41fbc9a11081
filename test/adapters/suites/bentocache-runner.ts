/** Runs BentoCache's suite, and prints how many of its cases have passed. */
import { assert } from "@japa/assert";
import { configure, run } from "@japa/runner";

let passed = 0;
configure({
  cwd: import.meta.dirname,
  files: ["bentocache-driver.spec.ts"],
  plugins: [assert()],
  reporters: {
    activated: ["count"],
    list: [
      {
        name: "count",
        handler: (_runner, emitter) => {
          emitter.on("test:end", (test) => {
            if (test.hasError) console.error(test.title.expanded, test.errors);
            else passed += 1;
          });
          emitter.on("runner:end", () => console.log(passed));
        },
      },
    ],
  },
});
await run();
