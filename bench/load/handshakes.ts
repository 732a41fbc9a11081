/** TLS handshakes, one after the other on each of some lanes. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:tls";
import { LOOPBACK } from "../process/loopback.ts";

export interface HandshakeShape {
  readonly port: number;
  /** The path of the authorities. */
  readonly ca: string;
  /** Empty: none. */
  readonly protocols: readonly string[];
  readonly concurrent: number;
  readonly durationMs: number;
}

export interface HandshakeCount {
  readonly completed: number;
  readonly perSecond: number;
}

/** A session is never resumed. */
export async function countHandshakes(shape: HandshakeShape): Promise<HandshakeCount> {
  const { port, protocols, concurrent, durationMs } = shape;
  const ca = readFileSync(shape.ca);
  const options = {
    port,
    host: LOOPBACK,
    ca,
    ...(protocols.length > 0 && { ALPNProtocols: [...protocols] }),
  };
  const beganMs = performance.now();
  let completed = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() - beganMs < durationMs) {
      const socket = connect(options);
      await once(socket, "secureConnect");
      completed += 1;
      socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: concurrent }, lane));
  return { completed, perSecond: completed / ((performance.now() - beganMs) / 1_000) };
}
