/** Our table of status codes beside that of grpc-js. */
import { status } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { STATUS_CODE, statusName } from "../../src/rpc/status-codes.ts";

it("has every code of gRPC, with its name", () => {
  const theirs = Object.entries(status).filter(([, code]) => typeof code === "number");
  expect(Object.entries(STATUS_CODE)).toEqual(theirs);
  for (const [name, code] of theirs) expect(statusName(Number(code))).toBe(name);
  expect(statusName(17)).toBe("UNKNOWN");
});
