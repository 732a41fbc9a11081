/** The configurations of docs/proxies.md, with the addresses of a test in place of those of the page. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { toPage } from "../documents/pages.ts";

const PAGE = resolve(import.meta.dirname, "../../docs/proxies.md");

/** Addresses of the page, and those of the test that take their places. */
type Addresses = Readonly<Record<string, string>>;

/** A part of the configuration, and what is in its place in the test. */
export type Change = readonly [part: string, replacement: string];

/** Throws when the page has not exactly what is replaced. */
export function configOf(name: string, addresses: Addresses, changes: readonly Change[] = []): string {
  const blocks = toPage(PAGE, readFileSync(PAGE, "utf8")).blocks;
  const block = blocks.find(({ comment }) => comment === `config: ${name}`);
  if (block === undefined) throw new Error(`${PAGE} has no configuration "${name}"`);
  const replaced = Object.entries(addresses).map(
    ([from, to]): Change =>
      block.code.includes(from) ? [from, to] : [socketAddress(from), socketAddress(to)],
  );
  return [...replaced, ...changes].reduce(replaceOnce, block.code);
}

/** As Envoy writes an address. */
function socketAddress(address: string): string {
  const [host = "", port = ""] = address.split(":");
  return `address: ${host}, port_value: ${port}`;
}

function replaceOnce(text: string, [part, replacement]: Change): string {
  const [before, after, ...more] = text.split(part);
  if (after === undefined || more.length > 0) throw new Error(`the configuration must have one "${part}"`);
  return `${before}${replacement}${after}`;
}
