/** Reads TypeScript sources by their syntax: its nodes, the functions that have a name, and the titles of the tests. */
import { parseAst } from "vitest/node";

export interface NamedFunction {
  /**
   * Its name behind the names of what it is in, such as `Coherence.mayServe`, `EntryWriter.#forget`,
   * `createTagIndex.matching` or `MeshCache.constructor.opened`. Functions without a name add nothing.
   */
  readonly name: string;
  /** Offsets of the declaration in the text, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
}

/** "tsx": with elements of a page. */
export type Language = "ts" | "tsx";

/** A node of the syntax tree. Offsets are in UTF-16 units. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/** Every function with a name and a body, at any depth. Throws for a text that is no TypeScript. */
export function functionsOf(text: string, lang: Language = "ts"): NamedFunction[] {
  const found: NamedFunction[] = [];
  visit(parse(text, lang), [], found);
  return found;
}

/** The first argument of each `it("...")` and `it.for(...)("...")`, where that is a text. */
export function testTitlesOf(text: string): string[] {
  const titles: string[] = [];
  collectTitles(parse(text), titles);
  return titles;
}

export interface CallText {
  /** The call as it is written, with its white space made single spaces. */
  readonly text: string;
  readonly line: number;
}

/** Calls and `new` with `...list` among their arguments: each item takes a place on the stack. */
export function spreadCallsOf(text: string, lang: Language = "ts"): CallText[] {
  return callsOf(text, (call) => list(call.arguments).some(({ type }) => type === "SpreadElement"), lang);
}

/** Calls of methods with this name, such as `queue.shift()`. */
export function methodCallsOf(text: string, method: string): CallText[] {
  return callsOf(
    text,
    ({ callee }) => isNode(callee) && isNode(callee.property) && nameOf(callee.property) === method,
  );
}

function callsOf(text: string, isWanted: (call: Node) => boolean, lang: Language = "ts"): CallText[] {
  const found: CallText[] = [];
  const search = (node: Node): void => {
    if (/^(Call|New)Expression$/.test(node.type) && isWanted(node)) {
      const line = text.slice(0, node.start).split("\n").length;
      found.push({ text: text.slice(node.start, node.end).replace(/\s+/g, " "), line });
    }
    for (const child of childrenOf(node)) search(child);
  };
  search(parse(text, lang));
  return found;
}

/** The syntax tree of a text. Throws for a text that is no TypeScript. */
export function parse(text: string, lang: Language = "ts"): Node {
  const program: unknown = parseAst(text, { lang });
  if (!isNode(program)) throw new Error("the parser returned no program");
  return program;
}

function visit(node: Node, scope: readonly string[], found: NamedFunction[]): void {
  const name = declaredName(node);
  const inner = name === undefined ? scope : [...scope, name];
  if (name !== undefined && isFunction(declaredValue(node))) {
    found.push({ name: inner.join("."), start: node.start, end: node.end });
  }
  for (const child of childrenOf(node)) visit(child, inner, found);
}

function collectTitles(node: Node, titles: string[]): void {
  const [first] = node.type === "CallExpression" && isIt(node.callee) ? list(node.arguments) : [];
  if (first?.type === "Literal" && typeof first.value === "string") titles.push(first.value);
  for (const child of childrenOf(node)) collectTitles(child, titles);
}

/** What a declaration, a member or a property calls a function, a class or an object literal. */
function declaredName(node: Node): string | undefined {
  switch (node.type) {
    case "FunctionDeclaration":
    case "ClassDeclaration":
    case "VariableDeclarator":
      return isScope(declaredValue(node)) ? nameOf(node.id) : undefined;
    case "MethodDefinition":
    case "PropertyDefinition":
    case "Property":
      return isScope(declaredValue(node)) && node.computed !== true ? nameOf(node.key) : undefined;
    default:
      return undefined;
  }
}

function declaredValue(node: Node): Node | undefined {
  if (node.type === "FunctionDeclaration" || node.type === "ClassDeclaration") return node;
  const value = node.type === "VariableDeclarator" ? node.init : node.value;
  if (!isNode(value)) return undefined;
  const isCast = value.type === "TSAsExpression" || value.type === "TSSatisfiesExpression";
  return isCast && isNode(value.expression) ? value.expression : value;
}

function isScope(value: Node | undefined): boolean {
  return isFunction(value) || /^Class|^ObjectExpression$/.test(value?.type ?? "");
}

/** Whether it is a function with a body: a declaration, an expression or an arrow. */
export function isFunction(value: Node | undefined): boolean {
  return /^(Function(Declaration|Expression)|ArrowFunctionExpression)$/.test(value?.type ?? "");
}

function nameOf(key: unknown): string | undefined {
  if (!isNode(key)) return undefined;
  if (key.type === "PrivateIdentifier") return `#${String(key.name)}`;
  if (key.type === "Identifier") return String(key.name);
  return key.type === "Literal" ? String(key.value) : undefined;
}

/** `it`, `it.skip`, or what `it.for(...)` returns. */
function isIt(callee: unknown): boolean {
  if (!isNode(callee)) return false;
  if (callee.type === "Identifier") return callee.name === "it";
  if (callee.type === "MemberExpression") return isIt(callee.object);
  return callee.type === "CallExpression" && isIt(callee.callee);
}

export function childrenOf(node: Node): Node[] {
  return Object.values(node).flatMap((value) => (isNode(value) ? [value] : list(value)));
}

/** The nodes of a field that is a list. */
export function list(value: unknown): Node[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
