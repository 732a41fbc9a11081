/** What a caller may do, as a message of AdminService. */
import { create } from "@bufbuild/protobuf";
import {
  type DescribeCallerResponse,
  DescribeCallerResponseSchema,
} from "../../gen/meshcache/v1/admin_pb.ts";
import { type Access, PERMISSIONS, permission } from "../security/access/access.ts";

/** `access` undefined: the server does not know its callers, and everybody may do everything. */
export function toCaller(access: Access | undefined, readOnly: boolean): DescribeCallerResponse {
  return create(DescribeCallerResponseSchema, {
    principal: access?.principal ?? "",
    permissionsEverywhere: PERMISSIONS.filter(
      (name) => access?.permitsEverywhere(permission[name]) !== false,
    ),
    readOnly,
    permissionsSomewhere: PERMISSIONS.filter((name) => access?.permitsSomewhere(permission[name]) !== false),
  });
}
