/** Why a call failed, in words for the person at the page. */
import { Code, ConnectError } from "@connectrpc/connect";

export type ProblemKind = "unauthenticated" | "denied" | "unreachable" | "refused" | "failed";

export interface Problem {
  readonly kind: ProblemKind;
  /** One sentence, or what the server said. */
  readonly text: string;
}

export function toProblem(cause: unknown): Problem {
  const error = ConnectError.from(cause);
  switch (error.code) {
    case Code.Unauthenticated:
      return { kind: "unauthenticated", text: "The server does not know who you are." };
    case Code.PermissionDenied:
      return { kind: "denied", text: "Your identity does not have the permission for this." };
    case Code.InvalidArgument:
    case Code.FailedPrecondition:
    case Code.ResourceExhausted:
      return { kind: "refused", text: error.rawMessage };
    case Code.Unimplemented:
      return {
        kind: "failed",
        text: "This server does not have what the page asks for: is it older than the page?",
      };
    case Code.Internal:
      return { kind: "failed", text: "The server failed. Its log has the cause." };
    default:
      // A fetch that fails gets the code Unknown: the browser does not say why.
      return { kind: "unreachable", text: "The server does not answer." };
  }
}
