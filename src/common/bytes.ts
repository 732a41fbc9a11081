/** Empty bytes, shared by all who have none. Nobody grows or writes to them. */
import { Buffer } from "node:buffer";

/** For values and cursors. Not a Buffer: callers would get a Buffer for the empty value alone. */
export const NO_BYTES = new Uint8Array(0);

/** For code that uses a Buffer's methods. */
export const NO_BUFFER = Buffer.alloc(0);
