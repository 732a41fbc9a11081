/**
 * Finds the callbacks in a source that nothing contains: functions that are given to an API which calls them later
 * without a caller, and promises whose rejection nobody handles. It reads the syntax only. What it cannot tell from one
 * file, it reports, so that the list of exceptions has to name it.
 */
import { childrenOf, isFunction, isNode, list, type Node, parse } from "../support/parsed-source.ts";

export interface Violation {
  readonly file: string;
  readonly line: number;
  /** What an exception names: the called function as it is written, without arguments, behind its kind. */
  readonly what: string;
}

/** The first argument that may be the callback. */
type Position = number;

/** Functions, by their imported or global name, and members of an object of that name. */
const FUNCTIONS: Record<string, Position> = {
  setImmediate: 0,
  setTimeout: 0,
  setInterval: 0,
  queueMicrotask: 0,
  createServer: 0,
  createSecureServer: 0,
  createConnection: 1,
  connect: 1,
  pipeline: 1,
  finished: 1,
  lookup: 1,
  gzip: 1,
  gunzip: 1,
  unzip: 1,
  deflate: 1,
  deflateRaw: 1,
  inflate: 1,
  inflateRaw: 1,
  brotliCompress: 1,
  brotliDecompress: 1,
  zstdCompress: 1,
  zstdDecompress: 1,
  randomBytes: 1,
  randomFill: 1,
};

const MEMBERS: Record<string, Position> = {
  ...FUNCTIONS,
  setTimeout: 1,
  nextTick: 0,
  schedule: 1,
  addEventListener: 1,
  write: 1,
  end: 0,
  sendData: 1,
  ping: 0,
  settings: 1,
  listen: 0,
  close: 0,
  waitForReady: 1,
};

const LISTENS = /^(on|once|addListener|prependListener|prependOnceListener)$/;
/** Their argument is a function, whatever it is written as. */
const ONLY_CALLBACKS =
  /^(setImmediate|setTimeout|setInterval|queueMicrotask|nextTick|schedule|addEventListener)$/;
const WRAPPERS =
  /^(ParenthesizedExpression|ChainExpression|TSAsExpression|TSSatisfiesExpression|TSNonNullExpression)$/;
const DATA =
  /^(Literal|TemplateLiteral|ObjectExpression|ArrayExpression|BinaryExpression|UnaryExpression|UpdateExpression|NewExpression|ThisExpression)$/;
const DATA_TYPES =
  /^TS(Number|String|Boolean|BigInt|Undefined|Null|Array|Tuple|Literal|TemplateLiteral|TypeLiteral)(Keyword|Type)?$/;
const DATA_CLASSES = /^(Buffer|Uint8Array|\w*Error)$/;

type Kind = "guarded" | "data" | "function" | "async" | "unknown";

/** What a name stands for, between two offsets. */
interface Binding {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly value: Node | undefined;
  readonly type: Node | undefined;
}

/** Throws for a text that is no TypeScript. `dataTypes`: names of types that are no functions. */
export function violationsIn(
  file: string,
  text: string,
  dataTypes: ReadonlySet<string> = new Set(),
): Violation[] {
  return new Finder(file, text, dataTypes).find();
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

class Finder {
  readonly #file: string;
  readonly #text: string;
  readonly #dataTypes: ReadonlySet<string>;
  readonly #program: Node;
  readonly #parents = new Map<Node, Node>();
  readonly #bindings: Binding[] = [];
  /** Imported names by their local names. */
  readonly #imported = new Map<string, string>();
  readonly #contained = new Set<string>();
  readonly #found: Violation[] = [];

  constructor(file: string, text: string, dataTypes: ReadonlySet<string>) {
    this.#file = file;
    this.#text = text;
    this.#dataTypes = dataTypes;
    this.#program = parse(text);
    for (const node of nodesOf(this.#program)) {
      for (const child of childrenOf(node)) this.#parents.set(child, node);
    }
    for (const node of nodesOf(this.#program)) {
      this.#bind(node);
      if (isCallOf(node, "contain")) this.#contain(node);
    }
  }

  find(): Violation[] {
    for (const node of nodesOf(this.#program)) {
      if (node.type === "CallExpression") this.#checkCall(node);
      if (node.type === "AssignmentExpression") this.#checkHandler(node);
      if (node.type === "UnaryExpression" && node.operator === "void") this.#checkVoid(node);
      if (node.type === "ExpressionStatement") this.#checkStatement(node);
    }
    return this.#found;
  }

  #note(node: Node, what: string): void {
    this.#found.push({ file: this.#file, line: this.#text.slice(0, node.start).split("\n").length, what });
  }

  #contain(call: Node): void {
    const parent = this.#outer(call);
    const target = parent?.type === "VariableDeclarator" ? parent.id : parent?.left;
    for (const emitter of [list(call.arguments)[0], target]) {
      if (isNode(emitter)) this.#contained.add(written(emitter));
    }
  }

  #bind(node: Node): void {
    const scope = this.#scopeOf(node);
    const add = (key: unknown, value: unknown, type: unknown, at: Node = scope) => {
      const [valueNode, typeNode] = [value, type].map((each) => (isNode(each) ? each : undefined));
      const name = nameOf(key);
      if (name !== "")
        this.#bindings.push({ name, start: at.start, end: at.end, value: valueNode, type: typeNode });
    };
    const annotated = (key: unknown) => (isNode(key) ? key.typeAnnotation : undefined);

    if (node.type === "ImportSpecifier") this.#imported.set(nameOf(node.local), nameOf(node.imported));
    if (node.type === "VariableDeclarator") {
      const isConstant = this.#parents.get(node)?.kind === "const";
      add(node.id, isConstant ? node.init : undefined, annotated(node.id));
    }
    if (node.type === "FunctionDeclaration") add(node.id, node, undefined);
    if (/^(MethodDefinition|PropertyDefinition)$/.test(node.type)) {
      add(thisMember(node.key), node.value, node.typeAnnotation, this.#program);
    }
    for (const parameter of list(node.params)) {
      const plain = parameter.type === "AssignmentPattern" ? nodeAt(parameter, "left") : parameter;
      add(plain, parameter.right, annotated(plain), node);
    }
  }

  #checkCall(call: Node): void {
    const callee = plain(call.callee);
    const args = list(call.arguments);
    const called = written(callee);
    const isMember = callee.type === "MemberExpression";
    const name = isMember ? nameOf(callee.property) : (this.#imported.get(nameOf(callee)) ?? nameOf(callee));

    if (name === "guard") this.#refuseAsync(args, called);
    if (isMember && LISTENS.test(name) && args.length === 2)
      this.#checkListener(callee, args.slice(1), called);
    if (isMember && /^(then|finally)$/.test(name) && !this.#isHandled(call)) this.#note(call, called);

    const position = Object.entries(isMember ? MEMBERS : FUNCTIONS).find(([key]) => key === name)?.[1];
    if (position !== undefined) this.#checkCallback(call, position, ONLY_CALLBACKS.test(name));
  }

  /** Where an API takes data too, its callback is the last argument. */
  #checkCallback(call: Node, position: number, takesOnlyCallback: boolean): void {
    const args = list(call.arguments);
    const at = takesOnlyCallback ? position : args.length - 1;
    const callback = args[at];
    if (callback === undefined || at < position) return;
    const called = written(call.callee);
    this.#refuseAsync([callback], called);
    // What a call returns as the only argument is what is written: `socket.end(goAway(code))`.
    const isData = !takesOnlyCallback && at === 0 && callback.type === "CallExpression";
    if (!isData && this.#isOpen(callback)) this.#note(call, called);
  }

  #checkListener(callee: Node, listeners: Node[], called: string): void {
    this.#refuseAsync(listeners, called);
    const isContained = this.#contained.has(written(nodeAt(callee, "object") ?? callee));
    if (!isContained && listeners.some((node) => this.#isOpen(node))) this.#note(callee, called);
  }

  /** `port.onmessage = listener`. */
  #checkHandler(assignment: Node): void {
    const target = plain(assignment.left);
    const value = plain(assignment.right);
    if (target.type !== "MemberExpression" || !/^on[a-z]+$/.test(nameOf(target.property))) return;
    this.#refuseAsync([value], written(target));
    if (this.#isOpen(value)) this.#note(assignment, written(target));
  }

  #checkVoid(node: Node): void {
    const call = plain(node.argument);
    if (call.type !== "CallExpression" || isRejectionHandler(call)) return;
    this.#note(node, `void ${written(call.callee)}`);
  }

  /** A call of an asynchronous function of this file, whose promise nobody takes. */
  #checkStatement(statement: Node): void {
    const call = plain(statement.expression);
    if (this.#isAsyncCall(call)) this.#note(call, `void ${written(call.callee)}`);
  }

  #refuseAsync(args: Node[], called: string): void {
    for (const node of args) if (this.#kindOf(node) === "async") this.#note(node, `async ${called}`);
  }

  #isOpen(node: Node): boolean {
    return !/^(guarded|data)$/.test(this.#kindOf(node));
  }

  #kindOf(expression: Node, depth = 0): Kind {
    const node = plain(expression);
    if (isCallOf(node, "guard") || callsGuarded(node)) return "guarded";
    if (isFunction(node)) return node.async === true || this.#passesPromiseOn(node) ? "async" : "function";
    if (DATA.test(node.type) || /^(undefined|[A-Z][A-Z0-9_]+)$/.test(lastName(node))) return "data";
    if (node.type === "ConditionalExpression" || node.type === "LogicalExpression") {
      const branches = [node.consequent ?? node.left, node.alternate ?? node.right];
      const kinds = branches.filter(isNode).map((branch) => this.#kindOf(branch, depth));
      return kinds.find((kind) => !/^(guarded|data)$/.test(kind)) ?? kinds[0] ?? "unknown";
    }
    const binding = this.#bindingOf(node);
    if (binding === undefined || depth > 3) return "unknown";
    if (binding.value !== undefined) return this.#kindOf(binding.value, depth + 1);
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
    const name = isOwn ? thisMember(node.property) : node;
    return this.#bindings
      .filter((each) => each.name === nameOf(name) && each.start <= node.start && node.end <= each.end)
      .sort((one, other) => other.start - one.start)[0];
  }

  /** An arrow whose result is the promise of an asynchronous function of this file. */
  #passesPromiseOn(arrow: Node): boolean {
    return this.#isAsyncCall(plain(arrow.body));
  }

  #isAsyncCall(call: Node): boolean {
    if (call.type !== "CallExpression") return false;
    const callee = plain(call.callee);
    const called = isFunction(callee) ? callee : this.#bindingOf(callee)?.value;
    return called !== undefined && isFunction(called) && called.async === true;
  }

  /** Whether a rejection handler follows in the chain, or the chain is awaited or returned to a caller. */
  #isHandled(call: Node): boolean {
    if (isRejectionHandler(call)) return true;
    const outer = this.#outer(call);
    if (outer?.type === "AwaitExpression") return true;
    if (outer?.type === "ReturnStatement" || outer?.type === "ArrowFunctionExpression") {
      return !this.#isRegistered(isFunction(outer) ? outer : this.#functionOf(outer));
    }
    const next =
      outer?.type === "MemberExpression" && plain(outer.object) === call ? this.#outer(outer) : undefined;
    return next?.type === "CallExpression" && plain(next.callee) === outer && this.#isHandled(next);
  }

  /** A function that is written as an argument of an API which ignores what it returns. */
  #isRegistered(callback: Node): boolean {
    const call = this.#outer(callback);
    if (call?.type === "NewExpression") return true;
    if (call?.type !== "CallExpression" || plain(call.callee) === callback) return false;
    const name = lastName(plain(call.callee));
    return /^(guard|forEach)$/.test(name) || LISTENS.test(name) || Object.hasOwn(MEMBERS, name);
  }

  #functionOf(node: Node): Node {
    const parent = this.#parents.get(node) ?? this.#program;
    return isFunction(parent) || parent === this.#program ? parent : this.#functionOf(parent);
  }

  #outer(node: Node): Node | undefined {
    const parent = this.#parents.get(node);
    return parent !== undefined && WRAPPERS.test(parent.type) ? this.#outer(parent) : parent;
  }

  #scopeOf(node: Node): Node {
    const parent = this.#parents.get(node);
    if (parent === undefined) return this.#program;
    return isFunction(parent) || parent.type === "BlockStatement" ? parent : this.#scopeOf(parent);
  }
}

/** `.catch(handler)`, or `.then(handler, handler)`. */
function isRejectionHandler(call: Node): boolean {
  const handlers = list(call.arguments).filter(
    (node) => nameOf(node) !== "undefined" && node.type !== "Literal",
  );
  return (isCallOf(call, "catch") && handlers.length > 0) || (isCallOf(call, "then") && handlers.length > 1);
}

/** A call of `name`, or of a member of that name. */
function isCallOf(node: Node, name: string): boolean {
  return node.type === "CallExpression" && lastName(plain(node.callee)) === name;
}

/** `(socket) => boundary.guard(socket, accept)(socket)`: what it guards depends on its argument. */
function callsGuarded(arrow: Node): boolean {
  const call = isFunction(arrow) ? plain(arrow.body) : undefined;
  return call?.type === "CallExpression" && isCallOf(plain(call.callee), "guard");
}

function lastName(node: Node): string {
  return nameOf(node.type === "MemberExpression" ? node.property : node);
}

/** An expression as it is written, without arguments, line breaks and optional chaining. */
function written(expression: unknown): string {
  const node = plain(expression);
  if (node.type === "MemberExpression") return `${written(node.object)}.${nameOf(node.property)}`;
  if (node.type === "CallExpression") return `${written(node.callee)}()`;
  if (node.type === "ThisExpression") return "this";
  return nameOf(node) || node.type;
}

function nameOf(node: unknown): string {
  if (!isNode(node)) return "";
  if (node.type === "PrivateIdentifier") return `#${String(node.name)}`;
  return /^(Identifier|ThisMember)$/.test(node.type) ? String(node.name) : "";
}

/** The key of a member of `this`, which no variable has. */
function thisMember(key: unknown): Node {
  return { type: "ThisMember", name: `this.${nameOf(key)}`, start: 0, end: 0 };
}

function plain(expression: unknown): Node {
  if (!isNode(expression)) return { type: "Nothing", start: 0, end: 0 };
  return WRAPPERS.test(expression.type) ? plain(expression.expression) : expression;
}

function nodeAt(node: Node, field: string): Node | undefined {
  const value = node[field];
  return isNode(value) ? value : undefined;
}

function* nodesOf(node: Node): Generator<Node> {
  yield node;
  for (const child of childrenOf(node)) yield* nodesOf(child);
}
