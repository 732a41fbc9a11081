/** Empty bytes, shared by all who have none. Nobody grows or writes to them. */
import { Buffer } from "node:buffer";

/** For values and cursors. Not a Buffer: callers would get a Buffer for the empty value alone. */
export const NO_BYTES = new Uint8Array(0);

/** A Buffer over the same bytes. */
export const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

/** For code that uses a Buffer's methods. */
export const NO_BUFFER = Buffer.alloc(0);
