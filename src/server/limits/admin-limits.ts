/** The limits of the admin port. */
import type { Bound } from "../../common/bound.ts";

/** Connections at a time; beyond it the one is closed that has been without a request for longest. */
export const ADMIN_CONNECTIONS_BOUND: Bound = { fallback: 256, min: 4, max: 65_536 };
