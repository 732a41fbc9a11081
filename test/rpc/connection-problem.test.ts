/** C6: what cannot be connected to is told apart, by the socket's error, the first bytes, the headers, or grpc-js's words. */
import { describe, expect, it } from "vitest";
import {
  adviceFor,
  type ConnectionProblem,
  diagnoseConnection,
  diagnoseHeaders,
  diagnoseService,
  toConnectionError,
} from "../../src/rpc/connection-problem.ts";

const NO_BYTES = new Uint8Array();
const system = (code: string) => Object.assign(new Error(`connect ${code} 10.0.0.1:1`), { code });
const several = (code: string) =>
  Object.assign(new AggregateError([system(code), system(code)], ""), { code });
const ascii = (text: string) => Buffer.from(text, "latin1").subarray(0, 9);

describe("C6: diagnoseConnection()", () => {
  it.each<[string, Error | undefined, Uint8Array, ConnectionProblem, string]>([
    ["a refusal", system("ECONNREFUSED"), NO_BYTES, "refused", "ECONNREFUSED"],
    ["refusals of all addresses of a name", several("ECONNREFUSED"), NO_BYTES, "refused", "10.0.0.1:1"],
    ["an unknown name", new Error("getaddrinfo ENOTFOUND x"), NO_BYTES, "unknownName", "ENOTFOUND"],
    [
      "a DNS that does not answer",
      new Error("getaddrinfo EAI_AGAIN x"),
      NO_BYTES,
      "unknownName",
      "EAI_AGAIN",
    ],
    ["no route", system("EHOSTUNREACH"), NO_BYTES, "unreachable", "EHOSTUNREACH"],
    ["no network", system("ENETUNREACH"), NO_BYTES, "unreachable", "ENETUNREACH"],
    ["dropped packets", system("ETIMEDOUT"), NO_BYTES, "unreachable", "ETIMEDOUT"],
    ["an end", undefined, NO_BYTES, "closed", "before it answered"],
    ["a reset", new Error("read ECONNRESET"), NO_BYTES, "closed", "ECONNRESET"],
    ["HTTP/1", new Error("a frame"), ascii("HTTP/1.1 400 Bad Request"), "wrongProtocol", "HTTP/1"],
    ["HTTP/1.0", undefined, ascii("HTTP/1.0 400"), "wrongProtocol", "HTTP/1"],
    ["Redis", undefined, ascii("-ERR unknown command"), "wrongProtocol", "not HTTP/2"],
    ["a banner", undefined, ascii("SSH-2.0-OpenSSH"), "wrongProtocol", "not HTTP/2"],
    ["a single byte", undefined, ascii("N"), "wrongProtocol", "not HTTP/2"],
    ["an alert of TLS", undefined, Uint8Array.of(0x15, 3, 3, 0, 2, 2, 70), "needsTls", "TLS"],
    ["part of an alert of TLS", system("ECONNRESET"), Uint8Array.of(0x15), "needsTls", "TLS"],
    [
      "SETTINGS and an end",
      undefined,
      Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0),
      "closed",
      "before it answered",
    ],
  ])("of %s", (_what, cause, first, problem, what) => {
    expect(diagnoseConnection(cause, first)).toEqual({ problem, what: expect.stringContaining(what) });
  });
});

describe("C6: diagnoseHeaders()", () => {
  const grpc = { ":status": "200", "content-type": "application/grpc+proto" };
  it.each<[string, Record<string, string>, ConnectionProblem | undefined]>([
    ["of gRPC", grpc, undefined],
    ["of gRPC with an error of its own", { ...grpc, "grpc-status": "3" }, undefined],
    ["of gRPC without the service", { ...grpc, "grpc-status": "12" }, "wrongService"],
    ["of a page", { ":status": "200", "content-type": "text/html" }, "wrongProtocol"],
    ["without a content type", { ":status": "200" }, "wrongProtocol"],
    ["with 404", { ":status": "404" }, "wrongProtocol"],
    ["with 415 and a gRPC status", { ":status": "415", "grpc-status": "2" }, undefined],
    ["with 503", { ":status": "503" }, "proxy"],
    ["with what is no status", { ":status": "\u001b[2J" }, "wrongProtocol"],
  ])("%s", (_what, headers, problem) => {
    const found = diagnoseHeaders(headers);
    expect(found?.problem).toBe(problem);
    expect(found?.what ?? "").not.toContain("\u001b");
  });
});

describe("C6: diagnoseService(), by the words of grpc-js", () => {
  const last = (text: string) => `No connection established. Last error: ${text}. Resolution note: `;
  it.each<[string, number, ConnectionProblem | undefined]>([
    [last("Error: connect ECONNREFUSED 127.0.0.1:1"), 14, "refused"],
    [last("connect ECONNREFUSED 127.0.0.1:1 (2026-11-29T01:10:55.417Z)"), 14, "refused"],
    ["Name resolution failed for target dns:no-such-host.invalid:50051", 14, "unknownName"],
    [last("Error: connect EHOSTUNREACH 10.0.0.1:1"), 14, "unreachable"],
    ["Response message parsing error: premature EOF", 13, "wrongService"],
    [last("Protocol error (2026-11-29T01:10:55.417Z)"), 14, "wrongProtocol"],
    [last("Failed to connect (2026-11-29T01:10:55.421Z)"), 14, "closed"],
    [last("read ECONNRESET (2026-11-29T01:10:55.446Z)"), 14, "closed"],
    [
      last(
        "Error: 40AD:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../x.c:77:\n",
      ),
      14,
      "noTls",
    ],
    [last("Error: self-signed certificate; if the root CA is installed locally, try"), 14, "certificate"],
    [last("Error: unable to verify the first certificate"), 14, "certificate"],
    [
      last("Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames"),
      14,
      "certificate",
    ],
    [last("Error: certificate has expired"), 14, "certificate"],
    ["The server does not implement the method /meshcache.v1.CacheService/Get", 12, "wrongService"],
    ["Received HTTP status code 404", 12, "wrongProtocol"],
    ["Received HTTP status code 503", 14, "proxy"],
    ["Received RST_STREAM with code 0 (Call ended without gRPC status)", 13, "closed"],
    ["key must be 1 to 512 bytes of UTF-8", 3, undefined],
    ["Deadline exceeded after 1.501s,Waiting for LB pick", 4, undefined],
  ])("%s", (details, code, problem) => {
    const found = diagnoseService({ code, details });
    expect(found?.problem).toBe(problem);
    expect(found?.what ?? "").not.toMatch(/SSL routines|Resolution note|2026|\n/);
  });
});

it("C6: an error names the address, what is there and the option, and its cause is the root cause", () => {
  const cause = system("ECONNREFUSED");
  const error = toConnectionError("10.0.0.1:1", diagnoseConnection(cause, NO_BYTES), cause);
  expect(error).toMatchObject({
    reason: "UNAVAILABLE",
    message:
      "could not connect to 10.0.0.1:1 (nothing listens there: connect ECONNREFUSED 10.0.0.1:1); " +
      "is the server running, and is `address` its gRPC port?",
    detail: { address: "10.0.0.1:1", problem: "refused" },
  });
  expect(error.cause).toBe(cause);
  expect(adviceFor("needsTls", { address: "--address", tls: undefined })).toContain("without TLS");
  expect(adviceFor("needsTls")).toContain("`tls`");
});
