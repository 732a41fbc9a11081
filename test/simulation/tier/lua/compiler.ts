/**
 * Compiles the Lua that the function library is written in to JavaScript, so that the model of the engine runs the library itself.
 * Without varargs, methods, goto and metatables: what it does not know is an error.
 */
import { compileFunction } from "node:vm";
import { type Token, tokensOf } from "./lexer.ts";
import { runtime } from "./runtime.ts";

interface Expression {
  readonly js: string;
  /** May be several values, of which most places take the first. */
  readonly isMany?: boolean;
  /** True or false in JavaScript too. */
  readonly isBoolean?: boolean;
}

const BINARY: Readonly<Record<string, readonly [left: number, right: number]>> = {
  or: [1, 1],
  and: [2, 2],
  "<": [3, 3],
  ">": [3, 3],
  "<=": [3, 3],
  ">=": [3, 3],
  "~=": [3, 3],
  "==": [3, 3],
  "..": [5, 4],
  "+": [6, 6],
  "-": [6, 6],
  "*": [7, 7],
  "/": [7, 7],
  "%": [7, 7],
};
const UNARY_POWER = 8;
const COMPARISONS: Readonly<Record<string, string>> = { "==": "===", "~=": "!==" };

/** Runs the chunk with these globals. Compiled once for each text. */
export type Chunk = (globals: Readonly<Record<string, unknown>>) => void;

const compiled = new Map<string, Chunk>();

export function compileLua(text: string): Chunk {
  const known = compiled.get(text);
  if (known !== undefined) return known;
  const js = new Compiler(tokensOf(text)).chunk();
  const run = compileFunction(js, ["G", "R"]) as (globals: object, api: object) => void;
  const chunk: Chunk = (globals) => run(globals, runtime);
  compiled.set(text, chunk);
  return chunk;
}

class Compiler {
  readonly #tokens: readonly Token[];
  #at = 0;
  #names = 0;
  readonly #scopes: Map<string, string>[] = [];
  /** Of the function that is being compiled. */
  #temporaries: string[] = [];

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  chunk(): string {
    const body = this.#functionBody([], () => this.#block("eof"));
    return `"use strict";${body}`;
  }

  get #token(): Token {
    return this.#tokens[this.#at] ?? { kind: "eof", text: "eof", line: 0 };
  }

  #is(text: string): boolean {
    const { kind, text: own } = this.#token;
    return kind !== "string" && own === text;
  }

  #next(): Token {
    const token = this.#token;
    this.#at += 1;
    return token;
  }

  #skip(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#at += 1;
    return true;
  }

  #expect(text: string): void {
    if (!this.#skip(text)) throw new Error(`line ${this.#token.line}: ${text}, not ${this.#token.text}`);
  }

  #name(): string {
    const { kind, text, line } = this.#next();
    if (kind !== "name") throw new Error(`line ${line}: a name, not ${text}`);
    return text;
  }

  #declare(name: string): string {
    this.#names += 1;
    const own = `${name}$${this.#names}`;
    this.#scopes.at(-1)?.set(name, own);
    return own;
  }

  #resolve(name: string): string {
    const scope = this.#scopes.findLast((one) => one.has(name));
    return scope?.get(name) ?? `G[${JSON.stringify(name)}]`;
  }

  #block(...ends: string[]): string {
    this.#scopes.push(new Map());
    let js = "";
    while (!ends.some((end) => this.#is(end))) {
      js += `${this.#statement()}\n`;
      this.#skip(";");
    }
    this.#scopes.pop();
    return js;
  }

  #functionBody(parameters: readonly string[], body: () => string): string {
    const outer = this.#temporaries;
    this.#temporaries = [];
    this.#scopes.push(new Map());
    for (const name of parameters) this.#declare(name);
    const js = body();
    const declared = this.#temporaries.length > 0 ? `let ${this.#temporaries.join()};` : "";
    this.#scopes.pop();
    this.#temporaries = outer;
    return declared + js;
  }

  #function(): string {
    this.#expect("(");
    const parameters: string[] = [];
    while (!this.#skip(")")) {
      parameters.push(this.#name());
      this.#skip(",");
    }
    let named: string[] = [];
    const body = this.#functionBody(parameters, () => {
      named = parameters.map((name) => this.#resolve(name));
      return this.#block("end");
    });
    this.#expect("end");
    return `function (${named.join()}) {${body}}`;
  }

  #statement(): string {
    if (this.#skip("local")) return this.#local();
    if (this.#skip("if")) return this.#if();
    if (this.#skip("while")) {
      const condition = this.#condition(this.#expression());
      this.#expect("do");
      const body = this.#block("end");
      this.#expect("end");
      return `while (${condition}) {${body}}`;
    }
    if (this.#skip("do")) {
      const body = this.#block("end");
      this.#expect("end");
      return `{${body}}`;
    }
    if (this.#skip("for")) return this.#for();
    if (this.#skip("return")) return this.#return();
    if (this.#skip("break")) return "break;";
    if (this.#skip("function")) {
      let place = this.#resolve(this.#name());
      while (this.#skip(".")) place = `R.get(${place}, ${JSON.stringify(this.#name())})`;
      return this.#assign([{ js: place }], this.#function());
    }
    return this.#assignmentOrCall();
  }

  #local(): string {
    if (this.#skip("function")) {
      const name = this.#declare(this.#name());
      return `const ${name} = ${this.#function()};`;
    }
    const names = [this.#name()];
    while (this.#skip(",")) names.push(this.#name());
    const values = this.#skip("=") ? this.#list() : [];
    const own = (): string[] => names.map((name) => this.#declare(name));
    if (values.length === 0) return `let ${own().join()};`;
    if (names.length === 1 && values.length === 1) {
      const js = this.#single(values[0]);
      return `let ${own().join()} = ${js};`;
    }
    const js = this.#spread(values);
    return `let [${own().join()}] = ${js};`;
  }

  #if(): string {
    let js = `if (${this.#condition(this.#expression())}) {`;
    this.#expect("then");
    js += `${this.#block("elseif", "else", "end")}}`;
    if (this.#skip("elseif")) return `${js} else {${this.#if()}}`;
    if (this.#skip("else")) js += ` else {${this.#block("end")}}`;
    this.#expect("end");
    return js;
  }

  #for(): string {
    const names = [this.#name()];
    while (this.#skip(",")) names.push(this.#name());
    const isNumeric = this.#skip("=");
    if (!isNumeric) this.#expect("in");
    const values = this.#list();
    this.#expect("do");
    this.#scopes.push(new Map());
    const own = names.map((name) => this.#declare(name));
    const body = this.#block("end");
    this.#scopes.pop();
    this.#expect("end");
    if (!isNumeric) return `for (let [${own.join()}] of ${this.#single(values[0])}) {${body}}`;
    const [from, to, step] = values.map((value) => this.#single(value));
    const isDown = step?.startsWith("-") ?? false;
    const [name] = own;
    return `for (let ${name} = ${from}, end = ${to}; ${name} ${isDown ? ">=" : "<="} end; ${name} += ${step ?? 1}) {${body}}`;
  }

  #return(): string {
    if (["end", "else", "elseif", "eof", ";"].some((end) => this.#is(end))) return "return;";
    const values = this.#list();
    return values.length === 1 ? `return ${values[0]?.js};` : `return R.many(${this.#spread(values)});`;
  }

  #assignmentOrCall(): string {
    const targets = [this.#suffixed()];
    while (this.#skip(",")) targets.push(this.#suffixed());
    if (!this.#skip("=")) return `${targets[0]?.js};`;
    const values = this.#list();
    if (targets.length === 1 && values.length === 1) return this.#assign(targets, this.#single(values[0]));
    const temporary = this.#temporary();
    const each = targets.map((target, index) => this.#assign([target], `${temporary}[${index}]`));
    return `${temporary} = ${this.#spread(values)};${each.join("")}`;
  }

  #assign([target]: readonly Expression[], js: string): string {
    const place = target?.js ?? "";
    const isField = place.startsWith("R.get(");
    return isField ? `R.set(${place.slice("R.get(".length, -1)}, ${js});` : `${place} = ${js};`;
  }

  #list(): Expression[] {
    const values = [this.#expression()];
    while (this.#skip(",")) values.push(this.#expression());
    return values;
  }

  #single(value: Expression | undefined): string {
    return value?.isMany ? `R.one(${value.js})` : (value?.js ?? "undefined");
  }

  /** An array of all values: the last expression may be several. */
  #spread(values: readonly Expression[]): string {
    const last = values.at(-1);
    const others = values.slice(0, -1).map((value) => this.#single(value));
    if (last?.isMany !== true) return `[${[...others, ...(last ? [last.js] : [])].join()}]`;
    return `[${[...others, `...R.all(${last.js})`].join()}]`;
  }

  #condition(value: Expression): string {
    return value.isBoolean ? value.js : `R.isTrue(${this.#single(value)})`;
  }

  #temporary(): string {
    this.#names += 1;
    const name = `t$${this.#names}`;
    this.#temporaries.push(name);
    return name;
  }

  #expression(power = 0): Expression {
    let left = this.#unary();
    for (;;) {
      const operator = this.#token.kind === "string" ? "" : this.#token.text;
      const powers = BINARY[operator];
      if (powers === undefined || powers[0] <= power) return left;
      this.#at += 1;
      left = this.#binary(operator, left, this.#expression(powers[1]));
    }
  }

  #binary(operator: string, left: Expression, right: Expression): Expression {
    const [one, other] = [this.#single(left), this.#single(right)];
    switch (operator) {
      case "and":
      case "or": {
        const isAnd = operator === "and";
        if (left.isBoolean && right.isBoolean) {
          return { js: `(${one} ${isAnd ? "&&" : "||"} ${other})`, isBoolean: true };
        }
        const kept = this.#temporary();
        const test = `R.isTrue(${kept} = ${one})`;
        return { js: isAnd ? `(${test} ? ${other} : ${kept})` : `(${test} ? ${kept} : ${other})` };
      }
      case "..":
        return { js: `(R.text(${one}) + R.text(${other}))` };
      case "%":
        return { js: `R.modulo(${one}, ${other})` };
      case "+":
      case "-":
      case "*":
      case "/":
        return { js: `(+(${one}) ${operator} +(${other}))` };
      default:
        return { js: `(${one} ${COMPARISONS[operator] ?? operator} ${other})`, isBoolean: true };
    }
  }

  #unary(): Expression {
    if (this.#skip("not")) {
      return { js: `!${this.#condition(this.#expression(UNARY_POWER))}`, isBoolean: true };
    }
    if (this.#skip("-")) return { js: `-${this.#single(this.#expression(UNARY_POWER))}` };
    if (this.#skip("#")) return { js: `R.length(${this.#single(this.#expression(UNARY_POWER))})` };
    return this.#primary();
  }

  #primary(): Expression {
    const { kind, text } = this.#token;
    if (kind === "number" || kind === "string") {
      this.#at += 1;
      return { js: kind === "string" ? JSON.stringify(text) : text };
    }
    if (this.#skip("nil")) return { js: "undefined" };
    if (this.#skip("true")) return { js: "true", isBoolean: true };
    if (this.#skip("false")) return { js: "false", isBoolean: true };
    if (this.#skip("function")) return { js: `(${this.#function()})` };
    if (this.#is("{")) return { js: this.#table() };
    return this.#suffixed();
  }

  #suffixed(): Expression {
    let value: Expression;
    if (this.#skip("(")) {
      const inner = this.#expression();
      value = { js: this.#single(inner), isBoolean: inner.isBoolean === true };
      this.#expect(")");
    } else value = { js: this.#resolve(this.#name()) };
    for (;;) {
      if (this.#skip(".")) value = { js: `R.get(${this.#single(value)}, ${JSON.stringify(this.#name())})` };
      else if (this.#skip("[")) {
        value = { js: `R.get(${this.#single(value)}, ${this.#single(this.#expression())})` };
        this.#expect("]");
      } else if (this.#is("(")) value = { js: this.#call(value), isMany: true };
      else return value;
    }
  }

  #call(callee: Expression): string {
    this.#expect("(");
    const values = this.#is(")") ? [] : this.#list();
    this.#expect(")");
    const spread = this.#spread(values);
    const isField = callee.js.startsWith("R.get(");
    const callable = isField || callee.isMany ? `(${this.#single(callee)})` : callee.js;
    return spread.includes("...") ? `${callable}(...${spread})` : `${callable}(${spread.slice(1, -1)})`;
  }

  #table(): string {
    this.#expect("{");
    const items: Expression[] = [];
    const fields: string[] = [];
    while (!this.#skip("}")) {
      if (this.#skip("[")) {
        const key = this.#single(this.#expression());
        this.#expect("]");
        this.#expect("=");
        fields.push(`[${key}, ${this.#single(this.#expression())}]`);
      } else if (this.#token.kind === "name" && this.#tokens[this.#at + 1]?.text === "=") {
        const key = JSON.stringify(this.#name());
        this.#expect("=");
        fields.push(`[${key}, ${this.#single(this.#expression())}]`);
      } else items.push(this.#expression());
      if (!this.#skip(",")) this.#skip(";");
    }
    return `R.table(${this.#spread(items)}, [${fields.join()}])`;
  }
}
