/** The tokens of Lua 5.1, as far as the function library uses it. */

export interface Token {
  readonly kind: "name" | "number" | "string" | "keyword" | "symbol" | "eof";
  /** Of a string: its bytes, a character each. */
  readonly text: string;
  readonly line: number;
}

const KEYWORDS: ReadonlySet<string> = new Set([
  ..."and break do else elseif end false for function if in local nil not or return then true while".split(
    " ",
  ),
]);

const TOKEN =
  /(?<space>\s+|--[^\n]*)|(?<name>[A-Za-z_]\w*)|(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?<symbol>\.\.|==|~=|<=|>=|[-+*/%#<>=(){}[\];,.])/sy;

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let line = 1;
  TOKEN.lastIndex = text.startsWith("#!") ? text.indexOf("\n") : 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const groups = TOKEN.exec(text)?.groups;
    if (groups === undefined) throw new Error(`line ${line}: no token of Lua: ${text.slice(at, at + 20)}`);
    const { space, name, number, string, symbol } = groups;
    if (name !== undefined) tokens.push({ kind: KEYWORDS.has(name) ? "keyword" : "name", text: name, line });
    else if (number !== undefined) tokens.push({ kind: "number", text: number, line });
    else if (string !== undefined) tokens.push({ kind: "string", text: unquoted(string), line });
    else if (symbol !== undefined) tokens.push({ kind: "symbol", text: symbol, line });
    line += (space ?? "").split("\n").length - 1;
  }
  return tokens;
}

function unquoted(text: string): string {
  return text
    .slice(1, -1)
    .replace(/\\(\d{1,3}|.)/gs, (_, escaped: string) =>
      /^\d/.test(escaped) ? String.fromCharCode(Number(escaped)) : (ESCAPES[escaped] ?? escaped),
    );
}
