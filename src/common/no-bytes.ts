/** No bytes, as one shared object of each kind, where a new one for each use would cost. */
import { Buffer } from "node:buffer";

export const NO_BYTES = new Uint8Array(0);
export const NO_BUFFER: Buffer = Buffer.alloc(0);
