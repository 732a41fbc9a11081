/** The limits of the admin port, and the forms of names and origins. */
import type { Bound } from "../../common/bound.ts";

/** Connections at a time; beyond it the one is closed that has been without a request for longest. */
export const ADMIN_CONNECTIONS_BOUND: Bound = { fallback: 256, min: 4, max: 65_536 };

/** Origins whose pages may call a server, separated by commas, or "*" for all. */
export const ORIGINS =
  /^(?:\*|https?:\/\/[a-z0-9._[\]:-]{1,300}(?:, ?https?:\/\/[a-z0-9._[\]:-]{1,300}){0,63})$/;

/** Names of it, separated by commas; "*." and a name for all below it. */
export const ADMIN_HOSTS =
  /^(?:\*\.)?[a-z0-9_][a-z0-9._-]{0,252}(?:, ?(?:\*\.)?[a-z0-9_][a-z0-9._-]{0,252}){0,63}$/;
