/** The stored form of what has a head and a body: a byte that says the form, the length of the head, the head as JSON, the body. */

const LENGTH_BYTES = 4;

export function toFrame(form: number, head: object, body: Uint8Array): Buffer {
  const text = JSON.stringify(head);
  const headBytes = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(1 + LENGTH_BYTES + headBytes + body.length);
  bytes[0] = form;
  bytes.writeUInt32BE(headBytes, 1);
  bytes.write(text, 1 + LENGTH_BYTES);
  bytes.set(body, 1 + LENGTH_BYTES + headBytes);
  return bytes;
}

/** The body is a view. Throws for bytes that are no such frame. */
export function fromFrame(form: number, bytes: Buffer): { readonly head: unknown; readonly body: Buffer } {
  if (bytes[0] !== form) throw new TypeError("it is no stored response");
  const bodyAt = 1 + LENGTH_BYTES + bytes.readUInt32BE(1);
  const head: unknown = JSON.parse(bytes.toString("utf8", 1 + LENGTH_BYTES, bodyAt));
  if (typeof head !== "object" || head === null) throw new TypeError("it is no stored response");
  return { head, body: bytes.subarray(bodyAt) };
}
