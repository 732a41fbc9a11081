/** Sends the operations of a replay to the server: a single one as a call of its own, several as one Batch. */
import { create } from "@bufbuild/protobuf";
import {
  CacheService,
  type OperationResult,
  OperationResultSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../../common/errors.ts";
import { toStatus } from "../../rpc/status.ts";
import type { Session } from "../service/session.ts";
import type { ReplayOperation, ReplayTarget } from "./cache-aside.ts";

export function createReplayTarget({ call }: Session, namespace: string): ReplayTarget {
  const { get, set, lease, invalidate, batch } = CacheService.method;

  const callOne = async ({ operation }: ReplayOperation): Promise<OperationResult["result"]> => {
    switch (operation?.case) {
      case "get":
        return { case: "get", value: await call(get, { ...operation.value, namespace }) };
      case "set":
        return { case: "set", value: await call(set, { ...operation.value, namespace }) };
      case "lease":
        return { case: "lease", value: await call(lease, { ...operation.value, namespace }) };
      case "invalidate":
        return { case: "invalidate", value: await call(invalidate, { ...operation.value, namespace }) };
      default:
        throw new TypeError("a replay does not send this operation");
    }
  };

  const runOne = (operation: ReplayOperation): Promise<OperationResult["result"]> =>
    callOne(operation).catch((error: unknown) => {
      // As in the results of a Batch. Other errors, such as a lost connection, end the replay.
      if (error instanceof CacheError && error.reason === "LIMIT_EXCEEDED") {
        return { case: "error", value: toStatus(error) };
      }
      throw error;
    });

  return {
    async run(operations) {
      const [first] = operations;
      if (first !== undefined && operations.length === 1) {
        return [create(OperationResultSchema, { result: await runOne(first) })];
      }
      const { results } = await call(batch, { namespace, operations: [...operations] });
      return results;
    },
  };
}
