/** What an expression of a source may be: a callback that is guarded, another function, or data. */
import { isFunction, isNode, list, type Node, parse } from "../support/parsed-source.ts";
import { isCallOf, lastName, nameOf, nodeAt, nodesOf, plain, type SyntaxTree } from "./syntax.ts";

/** `async`: a function that returns a promise. `unknown`: it may be a function. */
export type Kind = "guarded" | "data" | "function" | "async" | "unknown";

/** What a name stands for, between two offsets. */
interface Binding {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly value: Node | undefined;
  readonly type: Node | undefined;
}

/** How many declarations a name is followed through. */
const BINDINGS_MAX = 4;
const DATA =
  /^(Literal|TemplateLiteral|ObjectExpression|ArrayExpression|BinaryExpression|UnaryExpression|UpdateExpression|NewExpression|ThisExpression)$/;
const DATA_TYPES =
  /^TS(Number|String|Boolean|BigInt|Undefined|Null|Array|Tuple|Literal|TemplateLiteral|TypeLiteral)(Keyword|Type)?$/;
const DATA_CLASSES = /^(Buffer|Uint8Array|\w*Error)$/;

export class CallbackKinds {
  readonly #tree: SyntaxTree;
  readonly #dataTypes: ReadonlySet<string>;
  readonly #bindings: Binding[] = [];

  /** `dataTypes`: names of types that are no functions. */
  constructor(tree: SyntaxTree, dataTypes: ReadonlySet<string>) {
    this.#tree = tree;
    this.#dataTypes = dataTypes;
    for (const node of tree.nodes()) this.#bind(node);
  }

  /** Whether it may be a function that nothing guards. */
  isOpen(node: Node): boolean {
    return !/^(guarded|data)$/.test(this.kindOf(node));
  }

  kindOf(expression: Node): Kind {
    return this.#kindWithin(expression, BINDINGS_MAX);
  }

  #kindWithin(expression: Node, bindingsMax: number): Kind {
    const node = plain(expression);
    if (isCallOf(node, "guard") || callsGuarded(node)) return "guarded";
    if (isFunction(node))
      return node.async === true || this.isAsyncCall(plain(node.body)) ? "async" : "function";
    if (DATA.test(node.type) || /^(undefined|[A-Z][A-Z0-9_]+)$/.test(lastName(node))) return "data";
    if (node.type === "ConditionalExpression" || node.type === "LogicalExpression") {
      const branches = [node.consequent ?? node.left, node.alternate ?? node.right];
      const kinds = branches.filter(isNode).map((branch) => this.#kindWithin(branch, bindingsMax));
      return kinds.find((kind) => !/^(guarded|data)$/.test(kind)) ?? kinds[0] ?? "unknown";
    }
    const binding = this.#bindingOf(node);
    if (binding === undefined || bindingsMax === 0) return "unknown";
    if (binding.value !== undefined) return this.#kindWithin(binding.value, bindingsMax - 1);
    return binding.type !== undefined && this.#isDataType(binding.type) ? "data" : "unknown";
  }

  #isDataType(type: Node): boolean {
    if (type.type === "TSTypeAnnotation") return this.#isDataType(nodeAt(type, "typeAnnotation") ?? type);
    if (type.type === "TSUnionType") return list(type.types).every((each) => this.#isDataType(each));
    if (type.type !== "TSTypeReference") return DATA_TYPES.test(type.type);
    const name = nameOf(type.typeName);
    return DATA_CLASSES.test(name) || this.#dataTypes.has(name);
  }

  /** What a name, or a member of `this`, stands for where it is used: its innermost declaration. */
  #bindingOf(node: Node): Binding | undefined {
    const isOwn = node.type === "MemberExpression" && nodeAt(node, "object")?.type === "ThisExpression";
    const name = isOwn ? memberOfThis(node.property) : nameOf(node);
    return this.#bindings
      .filter((each) => each.name === name && each.start <= node.start && node.end <= each.end)
      .sort((one, other) => other.start - one.start)[0];
  }

  /** A call of an asynchronous function of this file. */
  isAsyncCall(call: Node): boolean {
    if (call.type !== "CallExpression") return false;
    const callee = plain(call.callee);
    const called = isFunction(callee) ? callee : this.#bindingOf(callee)?.value;
    return called !== undefined && isFunction(called) && called.async === true;
  }

  #bind(node: Node): void {
    const scope = this.#tree.scopeOf(node);
    if (node.type === "FunctionDeclaration") this.#add(nameOf(node.id), scope, node, undefined);
    if (node.type === "VariableDeclarator") {
      // What a variable is given later is not looked for.
      const isConstant = this.#tree.outer(node)?.kind === "const";
      this.#addPattern(plain(node.id), scope, isConstant ? node.init : undefined);
    }
    if (/^(MethodDefinition|PropertyDefinition)$/.test(node.type)) {
      this.#add(memberOfThis(node.key), this.#tree.program, node.value, node.typeAnnotation);
    }
    for (const parameter of list(node.params)) {
      // A caller may give another value than the default, but of the same type.
      const isDefault = parameter.type === "AssignmentPattern";
      const value = nodeAt(parameter, "right");
      const pattern = isDefault ? plain(parameter.left) : parameter;
      this.#addPattern(pattern, node, value !== undefined && DATA.test(value.type) ? value : undefined);
    }
  }

  /** A name, or all names of a destructuring, of which nothing is known. */
  #addPattern(pattern: Node, scope: Node, value: unknown): void {
    if (pattern.type === "Identifier") this.#add(nameOf(pattern), scope, value, pattern.typeAnnotation);
    else for (const node of nodesOf(pattern)) this.#add(nameOf(node), scope, undefined, undefined);
  }

  #add(name: string, { start, end }: Node, value: unknown, type: unknown): void {
    if (name === "") return;
    const [valueNode, typeNode] = [value, type].map((each) => (isNode(each) ? each : undefined));
    this.#bindings.push({ name, start, end, value: valueNode, type: typeNode });
  }
}

/** `(socket) => boundary.guard(socket, accept)(socket)`: what it guards depends on its argument. */
function callsGuarded(arrow: Node): boolean {
  const call = isFunction(arrow) ? plain(arrow.body) : undefined;
  return call?.type === "CallExpression" && isCallOf(plain(call.callee), "guard");
}

/** How a member of `this` is told from a variable. */
function memberOfThis(key: unknown): string {
  return `this.${nameOf(key)}`;
}

/** The names that no source declares as the type of a function: of classes, interfaces and aliases of data. */
export function dataTypesOf(texts: readonly string[]): Set<string> {
  const declarations = texts.flatMap((text) => [...nodesOf(parse(text))].filter(isTypeDeclaration));
  const namesWhere = (isData: boolean) =>
    declarations.filter((node) => isDataDeclaration(node) === isData).map(({ id }) => nameOf(id));
  const callable = new Set(namesWhere(false));
  return new Set(namesWhere(true).filter((name) => !callable.has(name)));
}

function isTypeDeclaration({ type }: Node): boolean {
  return /^(TSInterfaceDeclaration|TSTypeAliasDeclaration|ClassDeclaration)$/.test(type);
}

function isDataDeclaration(node: Node): boolean {
  if (node.type === "TSInterfaceDeclaration") {
    return list(nodeAt(node, "body")?.body).every(({ type }) => type !== "TSCallSignatureDeclaration");
  }
  if (node.type === "TSTypeAliasDeclaration")
    return DATA_TYPES.test(nodeAt(node, "typeAnnotation")?.type ?? "");
  return node.type === "ClassDeclaration";
}
