/** gRPC calls built by hand over node:http2, to send what no client library sends. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
  type Settings,
} from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { setting } from "../../src/http2/frame.ts";
import { testScheme, testSecrets } from "./test-tls.ts";

export interface RawAnswer {
  readonly httpStatus: number | undefined;
  /** Undefined: the stream ended without a status. */
  readonly grpcStatus: number | undefined;
  readonly grpcMessage: string;
  /** The reason in the ErrorInfo. Undefined: there was none. */
  readonly reason: string | undefined;
  /** The code of RST_STREAM. 0: the stream was not reset. */
  readonly resetCode: number;
  readonly body: Buffer;
}

export interface RawConnection {
  readonly session: ClientHttp2Session;
  /** Starts a call and leaves the request open. */
  open(path: string, headers?: OutgoingHttpHeaders): ClientHttp2Stream;
  /** Sends `body` unchanged and half-closes. */
  call(path: string, body: Uint8Array, headers?: OutgoingHttpHeaders): Promise<RawAnswer>;
  /** Resolves when either side has ended the connection. */
  readonly closed: Promise<void>;
  close(): void;
}

export interface RawOptions {
  readonly settings?: Settings;
  readonly maxSessionMemory?: number;
}

export async function connectRaw(address: string, options: RawOptions = {}): Promise<RawConnection> {
  const session = connect(`${testScheme}://${address}`, {
    maxSendHeaderBlockLength: 1 << 20,
    ...testSecrets,
    ...options,
  });
  const closed = new Promise<void>((resolve) => session.once("close", resolve));
  session.on("error", () => {});
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  const open = (path: string, headers: OutgoingHttpHeaders = {}) => {
    const stream = session.request(
      { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...headers },
      { endStream: false },
    );
    stream.on("error", () => {});
    return stream;
  };
  return {
    session,
    open,
    closed,
    call(path, body, headers) {
      const stream = open(path, headers);
      stream.end(body);
      return answerOf(stream);
    },
    close: () => session.destroy(),
  };
}

/** A connection whose SETTINGS announce a single stream. */
export function connectSingleStream(address: string, { settings }: RawOptions = {}): Promise<RawConnection> {
  // The types of Node do not have this option yet.
  const announced: object = { ...settings, customSettings: { [setting.singleStream]: 1 } };
  return connectRaw(address, { settings: announced });
}

/** Resolves when the stream is closed. */
export function answerOf(stream: ClientHttp2Stream): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let headers: Record<string, unknown> = {};
    const body: Buffer[] = [];
    stream.on("response", (received) => {
      headers = { ...headers, ...received };
    });
    stream.on("trailers", (received) => {
      headers = { ...headers, ...received };
    });
    stream.on("data", (chunk: Buffer) => body.push(chunk));
    stream.on("close", () => {
      const httpStatus = headers[":status"];
      const grpcStatus = headers["grpc-status"];
      resolve({
        httpStatus: typeof httpStatus === "number" ? httpStatus : undefined,
        grpcStatus: grpcStatus === undefined ? undefined : Number(grpcStatus),
        grpcMessage: String(headers["grpc-message"] ?? ""),
        reason: reasonOf(headers["grpc-status-details-bin"]),
        resetCode: stream.rstCode ?? 0,
        body: Buffer.concat(body),
      });
    });
  });
}

function reasonOf(details: unknown): string | undefined {
  if (typeof details !== "string") return undefined;
  const [info] = fromBinary(StatusSchema, Buffer.from(details, "base64")).details;
  return info && anyUnpack(info, ErrorInfoSchema)?.reason;
}

/** A message in a gRPC frame. */
export function framed(message: Uint8Array, compressed = 0, length = message.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

/** The complete messages at the beginning of `bytes`. */
export function unframed(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    messages.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return messages;
}
