/** The bytes of a cursor. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromCursor, toCursor } from "../../../src/store/events/cursor.ts";

describe("fromCursor()", () => {
  it("reads back what toCursor() wrote, wherever the bytes lie", () => {
    const epochs = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });
    const revisions = fc.array(fc.maxSafeNat(), { minLength: 1, maxLength: 256 });
    const scenario = fc.property(epochs, revisions, fc.nat({ max: 9 }), (epoch, its, offset) => {
      const cursor = toCursor(epoch, its);
      const message = new Uint8Array(offset + cursor.length + 3);
      message.set(cursor, offset);
      expect(fromCursor(message.subarray(offset, offset + cursor.length))).toEqual({ epoch, revisions: its });
    });
    fc.assert(scenario, { numRuns: 300 });
  });

  it("refuses any other bytes, with the field's name and none of its content", () => {
    const scenario = fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
      expect(() => fromCursor(bytes)).toThrow(
        expect.objectContaining({
          reason: "FIELD_INVALID",
          message: "cursor must be empty or a cursor that the server gave",
        }),
      );
    });
    fc.assert(scenario, { numRuns: 300 });
  });
});
