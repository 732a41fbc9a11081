/** The documents as tests read them: headings with their anchors, links, and code blocks with what is said before them. */
import { globSync, readFileSync } from "node:fs";

export interface Block {
  readonly path: string;
  /** Of its first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
  /** The comment in the line or lines before the block, without its marks. Empty: none. */
  readonly comment: string;
}

export interface Link {
  readonly text: string;
  readonly target: string;
  readonly line: number;
}

export interface Page {
  readonly path: string;
  readonly text: string;
  readonly anchors: ReadonlySet<string>;
  readonly links: readonly Link[];
  readonly blocks: readonly Block[];
}

const FENCE = /(?:<!-- ?((?:(?!-->)[\s\S])*?) ?-->\n)?^(`{3,})(\w*)\n([\s\S]*?)^\2$/gm;

/** Every document that people write, the README first. */
export function readPages(): Page[] {
  const beside = globSync("*.md").sort((a, b) => Number(b === "README.md") - Number(a === "README.md"));
  const docs = globSync("docs/**/*.md", { exclude: (path) => /node_modules|docs\/(api|project)/.test(path) });
  return [...beside, ...docs.sort()].map((path) => toPage(path, readFileSync(path, "utf8")));
}

export function toPage(path: string, text: string): Page {
  const blocks = [...text.matchAll(FENCE)].map((match): Block => {
    const [whole, comment = "", , language = "", code = ""] = match;
    const before = text.slice(0, match.index + whole.indexOf(code));
    return { path, line: before.split("\n").length, language, code, comment: comment.trim() };
  });
  // Code, and comments with code in them, have neither headings nor links. Lines stay where they are.
  const blank = (part: string) => part.replace(/[^\n]/g, " ");
  const prose = text.replace(FENCE, blank).replace(/<!--[\s\S]*?-->/g, blank);
  return { path, text, anchors: anchorsOf(prose), links: linksOf(prose), blocks };
}

/** Those that are the same on GitHub and on the site, so that a link to them works in both. */
function anchorsOf(prose: string): ReadonlySet<string> {
  const titles = [...prose.matchAll(/^#{1,6} (.+)$/gm)].map(([, title = ""]) => title);
  return new Set(titles.map(toGitHubSlug).filter((slug, index) => slug === toSiteSlug(titles[index] ?? "")));
}

const plain = (title: string) => title.replace(/`|\*\*/g, "").toLowerCase();

function toGitHubSlug(title: string): string {
  return plain(title)
    .replace(/[^\p{L}\p{N}_\- ]/gu, "")
    .replaceAll(" ", "-");
}

/** As VitePress makes them (@mdit-vue/shared). */
function toSiteSlug(title: string): string {
  return plain(title)
    .normalize("NFKD")
    .replace(/[\u0300-\u036F]/g, "")
    .replace(/[\s~`!@#$%^&*()\-_+=[\]{}|\\;:"'“”‘’<>,.?/]+/g, "-")
    .replace(/-{2,}/g, "-")
    .replace(/^-+|-+$/g, "")
    .replace(/^(\d)/, "_$1");
}

function linksOf(prose: string): Link[] {
  return [...prose.matchAll(/!?\[((?:[^\][]|\[[^\]]*\])*)\]\(([^)\s]+)\)/g)].map((match) => {
    const [, text = "", target = ""] = match;
    return { text, target, line: prose.slice(0, match.index).split("\n").length };
  });
}
