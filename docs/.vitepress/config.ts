/** The documentation site: its pages, its search, and that it asks no other host for anything. */
import { posix } from "node:path";
import { defineConfig, type MarkdownOptions } from "vitepress";

/** Enforced by the browser: neither a script nor a style, font or picture comes from elsewhere. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
].join("; ");

/** Documents beside this folder that are pages here too; scripts/build-docs.ts copies them. */
const PROJECT_PAGES: Readonly<Record<string, string>> = {
  "README.md": "/",
  "CONTRIBUTING.md": "/project/contributing",
  "SECURITY.md": "/project/security",
  "CHANGELOG.md": "/project/changelog",
};

const page = (text: string, link: string) => ({ text, link });

const sidebar = [
  {
    text: "Use",
    items: [
      page("Use it in your service", "/use-it-in-your-service"),
      page("Client guide", "/client"),
      page("Loads", "/loading"),
      page("Cache gRPC responses", "/responses"),
      page("Cache HTTP API responses", "/http-proxy"),
      page("Interfaces you know", "/adapters"),
      page("Keyv, cache-manager, NestJS", "/keyv"),
      page("Next.js", "/next"),
      page("Fastify", "/fastify"),
      page("BentoCache", "/bentocache"),
      page("unstorage", "/unstorage"),
      page("Apollo", "/apollo"),
      page("API reference", "/api/modules/meshcache"),
      page("Other languages", "/other-languages"),
      page("Coming from another cache", "/migration"),
    ],
  },
  {
    text: "Run",
    items: [
      page("Deployment", "/deployment"),
      page("Security", "/security"),
      page("Proxies", "/proxies"),
      page("Operations", "/operations"),
      page("The console", "/console"),
      page("HTTP and JSON", "/gateway"),
      page("Configuration", "/configuration"),
      page("Tracing", "/tracing"),
      page("The command line", "/cli"),
      page("Troubleshooting", "/troubleshooting"),
    ],
  },
  {
    text: "Trust",
    items: [
      page("Coherence", "/coherence"),
      page("Proofs", "/proofs"),
      page("When things break", "/disasters"),
      page("Restart without a miss", "/snapshot"),
      page("Several servers, one store", "/tier"),
      page("Replaying a trace", "/replay"),
      page("Benchmarks", "/benchmarks"),
      page("Reporting", "/project/security"),
    ],
  },
  {
    text: "Change",
    items: [
      page("Architecture", "/architecture"),
      page("Protocol", "/protocol"),
      page("Decisions", "/decisions/"),
      page("Contributing", "/project/contributing"),
      page("Changelog", "/project/changelog"),
    ],
  },
];

/**
 * Links in the repository that leave this folder. To a document that is a page here they become links to that page; to a
 * source, which the site does not have, plain text with the path as its title.
 */
const keepLinksInside: NonNullable<MarkdownOptions["config"]> = (md) => {
  md.core.ruler.push("links-out-of-docs", ({ tokens, env }) => {
    for (const { children } of tokens) {
      let isPlain = false;
      for (const token of children ?? []) {
        if (token.type === "link_close" && isPlain) token.tag = "span";
        if (token.type !== "link_open") continue;
        const [path = "", anchor = ""] = (token.attrGet("href") ?? "").split("#");
        const target = outsideOf(env.relativePath, path);
        isPlain = target !== undefined && !(target in PROJECT_PAGES);
        if (target === undefined) continue;
        if (isPlain) {
          token.tag = "span";
          token.attrs = [["title", `${target} in the repository`]];
        } else token.attrSet("href", `${PROJECT_PAGES[target]}${anchor && `#${anchor}`}`);
      }
    }
  });
};

/** The path in the repository that a page's link leads to, if that is outside of this folder. */
function outsideOf(pagePath: string, href: string): string | undefined {
  if (!href.startsWith("../")) return undefined;
  const path = posix.join("docs", posix.dirname(pagePath), href);
  return path.startsWith("docs/") ? undefined : path;
}

export default defineConfig({
  title: "meshcache",
  description: "A cache that the services of a mesh share over gRPC, with coherent near caches.",
  cleanUrls: false,
  lastUpdated: false,
  srcExclude: ["node_modules/**", "reference/**"],
  head: [
    ["meta", { "http-equiv": "Content-Security-Policy", content: CONTENT_SECURITY_POLICY }],
    ["link", { rel: "icon", href: "data:," }],
  ],
  markdown: { config: keepLinksInside },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      page("Use", "/use-it-in-your-service"),
      page("Run", "/deployment"),
      page("Coherence", "/coherence"),
      page("API", "/api/modules/meshcache"),
      page("Architecture", "/architecture"),
    ],
    sidebar,
    footer: { message: "Apache 2.0" },
  },
});
