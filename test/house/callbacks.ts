/**
 * Finds the callbacks in a source that nothing contains: functions that are given to an API which calls them later
 * without a caller, and promises whose rejection nobody handles. It reads the syntax only. What it cannot tell from one
 * file, it reports, so that the list of exceptions has to name it.
 */
import { isFunction, isNode, list, type Node } from "../support/parsed-source.ts";
import { CallbackKinds } from "./callback-kinds.ts";
import { isCallOf, lastName, nameOf, plain, SyntaxTree, written } from "./syntax.ts";

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
  nextTick: 0,
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

/** Throws for a text that is no TypeScript. `dataTypes`: names of types that are no functions. */
export function violationsIn(
  file: string,
  text: string,
  dataTypes: ReadonlySet<string> = new Set(),
): Violation[] {
  return new Finder(file, text, dataTypes).find();
}

class Finder {
  readonly #file: string;
  readonly #text: string;
  readonly #tree: SyntaxTree;
  readonly #kinds: CallbackKinds;
  /** Imported names by their local names. */
  readonly #imported = new Map<string, string>();
  readonly #contained = new Set<string>();
  readonly #found: Violation[] = [];

  constructor(file: string, text: string, dataTypes: ReadonlySet<string>) {
    this.#file = file;
    this.#text = text;
    this.#tree = new SyntaxTree(text);
    this.#kinds = new CallbackKinds(this.#tree, dataTypes);
    for (const node of this.#tree.nodes()) {
      if (node.type === "ImportSpecifier") this.#imported.set(nameOf(node.local), nameOf(node.imported));
      if (isCallOf(node, "contain")) this.#contain(node);
    }
  }

  find(): Violation[] {
    for (const node of this.#tree.nodes()) {
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
    const parent = this.#tree.outer(call);
    const target = parent?.type === "VariableDeclarator" ? parent.id : parent?.left;
    for (const emitter of [list(call.arguments)[0], target]) {
      if (isNode(emitter) && plain(emitter).type !== "CallExpression") this.#contained.add(written(emitter));
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
    if (!isData && this.#kinds.isOpen(callback)) this.#note(call, called);
  }

  #checkListener(callee: Node, listeners: Node[], called: string): void {
    this.#refuseAsync(listeners, called);
    const emitter = plain(callee.object);
    const isContained = isCallOf(emitter, "contain") || this.#contained.has(written(emitter));
    if (!isContained && listeners.some((node) => this.#kinds.isOpen(node))) this.#note(callee, called);
  }

  /** `port.onmessage = listener`. */
  #checkHandler(assignment: Node): void {
    const target = plain(assignment.left);
    const value = plain(assignment.right);
    if (target.type !== "MemberExpression" || !/^on[a-z]+$/.test(nameOf(target.property))) return;
    this.#refuseAsync([value], written(target));
    if (this.#kinds.isOpen(value)) this.#note(assignment, written(target));
  }

  #checkVoid(node: Node): void {
    const call = plain(node.argument);
    if (call.type !== "CallExpression" || isRejectionHandler(call)) return;
    this.#note(node, `void ${written(call.callee)}`);
  }

  /** A call of an asynchronous function of this file, whose promise nobody takes. */
  #checkStatement(statement: Node): void {
    const call = plain(statement.expression);
    if (this.#kinds.isAsyncCall(call)) this.#note(call, `void ${written(call.callee)}`);
  }

  #refuseAsync(args: Node[], called: string): void {
    for (const node of args) if (this.#kinds.kindOf(node) === "async") this.#note(node, `async ${called}`);
  }

  /** Whether a rejection handler follows in the chain, or the chain is awaited or returned to a caller. */
  #isHandled(call: Node): boolean {
    if (isRejectionHandler(call)) return true;
    const outer = this.#tree.outer(call);
    if (outer?.type === "AwaitExpression") return true;
    if (outer?.type === "ReturnStatement" || outer?.type === "ArrowFunctionExpression") {
      return !this.#isRegistered(isFunction(outer) ? outer : this.#tree.functionOf(outer));
    }
    const next =
      outer?.type === "MemberExpression" && plain(outer.object) === call
        ? this.#tree.outer(outer)
        : undefined;
    return next?.type === "CallExpression" && plain(next.callee) === outer && this.#isHandled(next);
  }

  /** A function that is written as an argument of an API which ignores what it returns. */
  #isRegistered(callback: Node): boolean {
    const call = this.#tree.outer(callback);
    if (call?.type === "NewExpression") return true;
    if (call?.type !== "CallExpression" || plain(call.callee) === callback) return false;
    const name = lastName(plain(call.callee));
    return /^(guard|forEach)$/.test(name) || LISTENS.test(name) || Object.hasOwn(MEMBERS, name);
  }
}

/** `.catch(handler)`, or `.then(handler, handler)`. */
function isRejectionHandler(call: Node): boolean {
  const handlers = list(call.arguments).filter(
    (node) => nameOf(node) !== "undefined" && node.type !== "Literal",
  );
  return (isCallOf(call, "catch") && handlers.length > 0) || (isCallOf(call, "then") && handlers.length > 1);
}
