/** Errors of callbacks: joined in order, and thrown once. */
import { expect, it } from "vitest";
import { joinErrors, NO_ERRORS, throwErrors } from "../../src/common/callback-errors.ts";

const [first, second] = [new Error("first"), new Error("second")];

it("throws nothing when no callback threw", () => {
  expect(() => throwErrors(joinErrors(NO_ERRORS, NO_ERRORS))).not.toThrow();
});

it("throws a single error as it is", () => {
  expect(() => throwErrors(joinErrors(NO_ERRORS, [first]))).toThrow(first);
  expect(() => throwErrors(joinErrors([first], NO_ERRORS))).toThrow(first);
});

it("throws several at once, in their order", () => {
  let thrown: unknown;
  try {
    throwErrors(joinErrors([first], [second]));
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(AggregateError);
  expect(thrown).toMatchObject({ errors: [first, second], message: "2 callbacks threw" });
});
