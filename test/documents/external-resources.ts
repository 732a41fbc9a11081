/** Finds what a built page would ask another host for. A link that a reader may follow is no such thing. */

const PATTERNS: Readonly<Record<string, readonly RegExp[]>> = {
  html: [
    /<(?:script|img|iframe|source|video|audio|embed|object|link)\b[^>]*?\s(?:src|href|data|srcset)="((?:https?:)?\/\/[^"]*)"/g,
    /url\(["']?((?:https?:)?\/\/[^)"']*)/g,
  ],
  css: [/url\(["']?((?:https?:)?\/\/[^)"']*)/g, /@import\s+["']((?:https?:)?\/\/[^"']*)/g],
  js: [
    /\b(?:fetch|import|importScripts|Worker|EventSource|WebSocket)\(\s*["'`]((?:https?:|wss?:)?\/\/[^"'`]*)/g,
    /\bfrom\s*["']((?:https?:)?\/\/[^"']*)/g,
    /\.(?:src|href)\s*=\s*["'`]((?:https?:)?\/\/[^"'`]*)/g,
    /\b(?:src|href):\s*["'`]((?:https?:)?\/\/[^"'`]*\.(?:js|css|woff2?|png|svg))["'`]/g,
  ],
};

/** Each as "path: address". */
export function externalResources(path: string, text: string): string[] {
  const patterns = PATTERNS[path.slice(path.lastIndexOf(".") + 1)] ?? [];
  return patterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map(([, address]) => `${path}: ${address}`),
  );
}
