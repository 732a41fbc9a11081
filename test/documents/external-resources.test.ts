import { describe, expect, it } from "vitest";
import { externalResources } from "./external-resources.ts";

describe("externalResources()", () => {
  it.each([
    ["a.html", '<script type="module" src="https://cdn.example/x.js"></script>'],
    ["a.html", '<link rel="preload stylesheet" href="//fonts.example/x.css">'],
    ["a.html", '<img alt="" src="http://pictures.example/x.png">'],
    ["a.css", "@font-face { src: url(https://fonts.example/x.woff2) }"],
    ["a.css", '@import "https://fonts.example/x.css";'],
    ["a.js", 'fetch("https://counter.example/hit")'],
    ["a.js", 'import("https://cdn.example/x.js")'],
    ["a.js", 'script.src="https://cdn.example/x.js"'],
  ])("finds what %s asks for: %s", (path, text) => {
    expect(externalResources(path, text)).toHaveLength(1);
  });

  it.each([
    ["a.html", '<a href="https://keepachangelog.com/">a link</a><script src="/assets/x.js"></script>'],
    ["a.css", "body { background: url(/assets/x.png) }"],
    ["a.js", 'throw new Error("see https://vuejs.org/error-reference/")'],
  ])("leaves what %s only names: %s", (path, text) => {
    expect(externalResources(path, text)).toEqual([]);
  });
});
