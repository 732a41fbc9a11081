/** Reads the first bytes of a connection, before it is decided who serves it. */
import type { Socket } from "node:net";

/** Calls `done` once, with undefined when the socket closes before it sends anything. The bytes are then not in the socket. */
export function readFirstBytes(socket: Socket, done: (firstBytes: Buffer | undefined) => void): void {
  const read = (): void => {
    socket.off("readable", read);
    socket.off("close", read);
    const bytes: unknown = socket.read();
    done(Buffer.isBuffer(bytes) ? bytes : undefined);
  };
  socket.on("readable", read);
  socket.on("close", read);
}
