/** The library `struct` of the engine's Lua, for big endian numbers and strings. http://www.inf.puc-rio.br/~roberto/struct */

interface Part {
  readonly kind: "number" | "bytes";
  readonly size: number;
}

const known = new Map<string, readonly Part[]>();

function partsOf(pattern: string): readonly Part[] {
  const former = known.get(pattern);
  if (former !== undefined) return former;
  if (!pattern.startsWith(">")) throw new Error("only big endian");
  const parts = [...pattern.slice(1).matchAll(/B|H|I(\d)|c(\d+)/g)].map(([letter, whole, bytes]): Part => {
    if (bytes !== undefined) return { kind: "bytes", size: Number(bytes) };
    return { kind: "number", size: letter === "B" ? 1 : letter === "H" ? 2 : Number(whole) };
  });
  known.set(pattern, parts);
  return parts;
}

export function packStruct(pattern: string, values: readonly unknown[]): string {
  let bytes = "";
  for (const [index, { kind, size }] of partsOf(pattern).entries()) {
    const value = values[index];
    if (kind === "bytes") {
      if (typeof value !== "string" || value.length < size) throw new Error("a string is too short to pack");
      bytes += size === 0 ? value : value.slice(0, size);
    } else bytes += numberBytes(Number(value), size);
  }
  return bytes;
}

const scratch = Buffer.alloc(8);

function numberBytes(value: number, size: number): string {
  if (!Number.isFinite(value)) throw new Error("no number to pack");
  if (size > 6) scratch.writeBigUInt64BE(BigInt(value));
  else scratch.writeUIntBE(value, 0, size);
  return scratch.toString("latin1", 0, size);
}

/** The values, and where the next one begins. `c0` takes its length from the number before it. */
export function unpackStruct(pattern: string, bytes: string, begin: number): unknown[] {
  const values: unknown[] = [];
  let at = begin - 1;
  for (const { kind, size } of partsOf(pattern)) {
    const length = kind === "bytes" && size === 0 ? Number(values.pop()) : size;
    if (at + length > bytes.length) throw new Error("data string too short");
    if (kind === "bytes") values.push(bytes.slice(at, at + length));
    else {
      let value = 0;
      for (let index = at; index < at + length; index++) value = value * 256 + bytes.charCodeAt(index);
      values.push(value);
    }
    at += length;
  }
  values.push(at + 1);
  return values;
}
