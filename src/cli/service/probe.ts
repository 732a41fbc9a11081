/** Finds out what listens where a call of grpc-js could not connect: grpc-js does not say. It sends no call. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type HostPort, parseServerAddress } from "../../common/host-port.ts";
import { PREFACE, settings } from "../../http2/frame.ts";
import { type Diagnosis, diagnoseConnection, FIRST_BYTES } from "../../rpc/connection-problem.ts";

/** How long each of the two attempts may take. */
const PROBE_MS = 1_000;

/** Undefined: nothing was found that explains the failure. */
export async function probe(address: string): Promise<Diagnosis | undefined> {
  const place = parseServerAddress(address);
  if (place === undefined) return undefined;
  const { first, cause } = await readFirstBytes(place);
  if (first.length > 0 || cause !== undefined) {
    const found = diagnoseConnection(cause, first);
    if (found.problem !== "closed") return found;
  }
  return (await speaksTls(place)) ? { problem: "needsTls", what: "it expects TLS" } : undefined;
}

interface FirstBytes {
  readonly first: Uint8Array;
  readonly cause: Error | undefined;
}

/** What is answered to the first bytes of HTTP/2. */
function readFirstBytes(place: HostPort): Promise<FirstBytes> {
  return new Promise((resolve) => {
    let first: Uint8Array = new Uint8Array();
    let cause: Error | undefined;
    const socket = connect(place);
    socket.on("data", (bytes: Buffer) => {
      first = Buffer.concat([first, bytes.subarray(0, FIRST_BYTES)]);
      if (first.length >= FIRST_BYTES) socket.destroy();
    });
    endOf(socket, (error) => {
      cause = error;
    }).then(() => resolve({ first: first.subarray(0, FIRST_BYTES), cause }), undefined);
    socket.write(Buffer.concat([PREFACE, settings([])]));
  });
}

/** Whether a handshake of TLS succeeds, or is refused in TLS. No certificate is checked, and nothing is sent after it. */
async function speaksTls(place: HostPort): Promise<boolean> {
  let speaks = false;
  const socket = connectTls({ ...place, rejectUnauthorized: false, ALPNProtocols: ["h2"] }, () => {
    speaks = true;
    socket.destroy();
  });
  await endOf(socket, ({ message }) => {
    speaks ||= /alert/.test(message);
  });
  return speaks;
}

/** Resolves when the socket is closed, which is after `PROBE_MS` at the latest. */
function endOf(socket: Socket, failed: (error: Error) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), PROBE_MS);
    socket.on("error", failed);
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
