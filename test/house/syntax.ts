/** The syntax tree of one source, upwards and downwards, and how its expressions are written. */
import { childrenOf, isFunction, isNode, type Node, parse } from "../support/parsed-source.ts";

/** What adds nothing to the expression in it. */
const WRAPPERS =
  /^(ParenthesizedExpression|ChainExpression|TSAsExpression|TSSatisfiesExpression|TSNonNullExpression)$/;

export class SyntaxTree {
  readonly program: Node;
  readonly #parents = new Map<Node, Node>();

  /** Throws for a text that is no TypeScript. */
  constructor(text: string) {
    this.program = parse(text);
    for (const node of this.nodes()) {
      for (const child of childrenOf(node)) this.#parents.set(child, node);
    }
  }

  nodes(): Generator<Node> {
    return nodesOf(this.program);
  }

  /** What the expression is part of, without what adds nothing to it. */
  outer(node: Node): Node | undefined {
    const parent = this.#parents.get(node);
    return parent !== undefined && WRAPPERS.test(parent.type) ? this.outer(parent) : parent;
  }

  /** The function or block that a declaration belongs to, or the program. */
  scopeOf(node: Node): Node {
    return this.#around(node, (each) => isFunction(each) || each.type === "BlockStatement");
  }

  functionOf(node: Node): Node {
    return this.#around(node, isFunction);
  }

  #around(node: Node, isWanted: (node: Node) => boolean): Node {
    const parent = this.#parents.get(node) ?? this.program;
    return parent === this.program || isWanted(parent) ? parent : this.#around(parent, isWanted);
  }
}

export function* nodesOf(node: Node): Generator<Node> {
  yield node;
  for (const child of childrenOf(node)) yield* nodesOf(child);
}

/** A call of `name`, or of a member of that name. */
export function isCallOf(node: Node, name: string): boolean {
  return node.type === "CallExpression" && lastName(plain(node.callee)) === name;
}

/** The name of a variable, or of the member at the end of a path. */
export function lastName(node: Node): string {
  return nameOf(node.type === "MemberExpression" ? node.property : node);
}

/** An expression as it is written, without arguments, line breaks and optional chaining. */
export function written(expression: unknown): string {
  const node = plain(expression);
  if (node.type === "MemberExpression") return `${written(node.object)}.${nameOf(node.property)}`;
  if (node.type === "CallExpression") return `${written(node.callee)}()`;
  if (node.type === "ThisExpression") return "this";
  return nameOf(node) || node.type;
}

/** The name of an identifier, and "" for anything else. */
export function nameOf(node: unknown): string {
  if (!isNode(node)) return "";
  if (node.type === "PrivateIdentifier") return `#${String(node.name)}`;
  return node.type === "Identifier" ? String(node.name) : "";
}

/** The expression without parentheses, casts and optional chaining. */
export function plain(expression: unknown): Node {
  if (!isNode(expression)) return { type: "Nothing", start: 0, end: 0 };
  return WRAPPERS.test(expression.type) ? plain(expression.expression) : expression;
}

export function nodeAt(node: Node, field: string): Node | undefined {
  const value = node[field];
  return isNode(value) ? value : undefined;
}
