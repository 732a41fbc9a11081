/** The security of one server: what its options ask for, the files behind it, and their replacement while it runs. */
import { type Bound, pickWithin } from "../common/bound.ts";
import type { Boundary } from "../common/boundary.ts";
import { type Clock, systemClock } from "../common/clock.ts";
import { fieldInvalid } from "../common/errors.ts";
import { networkOf } from "../common/peer-network.ts";
import { AuditLog } from "./access/audit-log.ts";
import { FullAccess } from "./access/full-access.ts";
import { missingProtection } from "./exposure.ts";
import { createNewsMemory, SharedNews } from "./files/shared-news.ts";
import { WatchedFiles } from "./files/watched-files.ts";
import { Authenticator } from "./identity/authenticator.ts";
import { readStaticTokens, type StaticTokens } from "./identity/static-tokens.ts";
import { type Issuer, readIssuers } from "./jwt/issuers.ts";
import { JwtVerifier } from "./jwt/jwt-verifier.ts";
import type { KeyMemory } from "./jwt/shared-keys.ts";
import { createVerificationMemory, VerificationBudget } from "./jwt/verification-budget.ts";
import { createPrincipalMemory } from "./metering/principal-table.ts";
import { type Policy, readPolicy } from "./policy/policy.ts";
import { PolicyInForce } from "./policy/policy-access.ts";
import {
  readServerTls,
  type ServerTls,
  type ServerTlsFiles,
  type ServerTlsOptions,
} from "./tls/server-tls.ts";

export interface SecurityOptions {
  /** Default: without TLS. */
  readonly tls?: ServerTlsOptions;
  /**
   * A file of static tokens: each line has a name, a space and the SHA-256 of a token in hexadecimal digits. Calls then need a
   * token or, with `tls.clientCa`, a client certificate. Default: none.
   */
  readonly tokens?: string;
  /**
   * A YAML file that names the issuers of JSON Web Tokens: under `issuers` a list of `name`, `issuer`, `audience` and `jwks`, an
   * https URL or a path. It is read once; the keys are followed. Default: none.
   */
  readonly jwtIssuers?: string;
  /**
   * A YAML file that says which principals may do what in which namespaces, and how much; what it does not allow is denied. It
   * needs `tls.clientCa`, `tokens` or `jwtIssuers`. Default: every caller may do everything.
   */
  readonly policy?: string;
  /** Allows to listen beyond loopback without TLS, where a sidecar or the network encrypts. Default false. */
  readonly plaintext?: boolean;
  /** Allows to listen beyond loopback without knowing who the clients are. Default false. */
  readonly anonymous?: boolean;
  /** How often files are read, to be replaced when they have changed. 100 to 86,400,000; default 10,000. */
  readonly reloadMs?: number;
}

export const SECURITY_BOUNDS: Record<"reloadMs", Bound> = {
  reloadMs: { fallback: 10_000, min: 100, max: 86_400_000 },
};

/** What the threads of a process share. It may be passed to another thread. */
export interface SecurityMemory {
  /** What is known of the keys of tokens. */
  readonly keys: KeyMemory;
  /** What the principals of the policy use. */
  readonly principals: SharedArrayBuffer;
  /** Which new files were logged. */
  readonly news: SharedArrayBuffer;
  /** How many tokens were wrongly signed of late. */
  readonly verifications: SharedArrayBuffer;
}

export interface Security {
  /** Undefined: without TLS. */
  readonly tls: ServerTlsFiles | undefined;
  /** Undefined: whoever connects may call. */
  readonly authenticator: Authenticator | undefined;
  /** For the other threads of the process. */
  readonly memory: SecurityMemory;
  /** Operations that were denied, by the permissions they needed. */
  readonly denials: Readonly<Record<string, number>>;
  /** What was refused since a principal had used what it may, by what that was. */
  readonly limited: Readonly<Record<string, number>>;
  /** A client was refused for its certificate, and the audit log says so. `host`: its address. */
  refusedClient(host: string, reason: string): void;
  /** Whether files have contents that cannot be used, and the last good ones are in use. */
  readonly filesRefused: boolean;
  /** Follows the files from now on. Returns what stops it. */
  watch(deps: SecurityWatchDeps, target: SecurityTarget): () => void;
}

export interface SecurityWatchDeps {
  readonly clock: Clock;
  readonly boundary: Boundary;
  readonly logger: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/** What is told of new files. */
export interface SecurityTarget {
  replaceTls(tls: ServerTls): void;
  /** Ends the streams that are not permitted any more. */
  checkStreams(): void;
}

/**
 * Reads the files. Throws FIELD_INVALID that names the option, and RangeError for `reloadMs`. `shared`: the `memory` that all
 * threads of the process share. Default: memory of its own.
 */
export function openSecurity(
  options: SecurityOptions = {},
  host: string,
  shared?: SecurityMemory,
  clock: Clock = systemClock,
): Security {
  const everyMs = pickWithin<"reloadMs">(SECURITY_BOUNDS, options)("reloadMs");
  checkExposure(options, host);
  const tls = options.tls && readServerTls(options.tls);
  const tokens = options.tokens === undefined ? undefined : readTokenFile(options.tokens);
  const verifications = shared?.verifications ?? createVerificationMemory();
  const budget = new VerificationBudget(verifications, clock);
  const jwt =
    options.jwtIssuers === undefined
      ? undefined
      : new JwtVerifier(readIssuerFile(options.jwtIssuers), shared?.keys, budget);
  const policy = options.policy === undefined ? undefined : readPolicyFile(options.policy);
  const audit = new AuditLog();
  const memory: SecurityMemory = {
    keys: jwt?.keyMemory ?? new Map(),
    principals: shared?.principals ?? createPrincipalMemory(),
    news: shared?.news ?? createNewsMemory(),
    verifications,
  };
  const news = new SharedNews(memory.news);
  const inForce = policy && new PolicyInForce(policy.value, audit, memory.principals, clock);
  const permissions = inForce ?? {
    accessOf: (principal: string) => new FullAccess(principal, audit),
    isSame: () => true,
  };
  const takesTokens = tokens !== undefined || jwt !== undefined;
  const isIdentified = takesTokens || tls?.value.asksClients === true;
  const authenticator = isIdentified
    ? new Authenticator(tokens?.value, jwt, permissions, Date.now, (why, from, principal) => {
        const about = principal === undefined ? {} : { principal };
        audit.refused("unauthenticated", networkOf(from?.host ?? ""), why, about);
      })
    : undefined;
  if (inForce !== undefined && !isIdentified) {
    throw fieldInvalid("security.policy", "left out without tls.clientCa, tokens or jwtIssuers");
  }
  return {
    tls,
    authenticator,
    memory,
    denials: inForce?.denials ?? {},
    limited: inForce?.limited ?? {},
    refusedClient: (host, reason) => audit.refused("handshake", networkOf(host), reason),
    get filesRefused() {
      return [tls?.isRefused, tokens?.isRefused, jwt?.filesRefused, policy?.isRefused].includes(true);
    },
    watch({ clock, boundary, logger }, target) {
      const stopTokens = tokens?.watch({
        clock,
        boundary,
        everyMs,
        replaced(value) {
          authenticator?.replaceTokens(value);
          if (news.isNew("tokens", tokens.contents))
            logger.info({ audit: "tokens", tokens: value.size }, "the tokens were replaced");
        },
        refused(error) {
          if (news.isNew("tokens", String(error)))
            logger.warn({ err: error }, "the new tokens cannot be used; the last good ones stay in use");
        },
      });
      const stopTls = tls?.watch({
        clock,
        boundary,
        everyMs,
        replaced(value) {
          target.replaceTls(value);
          if (!news.isNew("certificate", tls.contents)) return;
          logger.info(
            { audit: "certificate", expires: new Date(value.expiresAtMs).toISOString() },
            "the TLS certificate was replaced",
          );
        },
        refused(error) {
          if (news.isNew("certificate", String(error)))
            logger.warn({ err: error }, "the new TLS files cannot be used; the last good ones stay in use");
        },
      });
      const stopJwt = jwt?.watch({
        clock,
        boundary,
        everyMs,
        replaced(issuer, fingerprints) {
          if (!news.isNew(`keys of ${issuer}`, [...fingerprints].sort().join())) return;
          const line = { audit: "keys", issuer, keys: fingerprints.size };
          if (fingerprints.size > 0) logger.info(line, "the keys of an issuer were replaced");
          else logger.warn(line, "the keys of an issuer could not be asked for too long, and are not used");
        },
        refused(error) {
          if (news.isNew("keys", String(error)))
            logger.warn(
              { err: error },
              "the keys of an issuer cannot be used; the last good ones stay in use",
            );
        },
      });
      audit.write = (line, message) => {
        if (line.audit === "cleared" || line.audit === "shown") logger.info(line, message);
        else logger.warn(line, message);
      };
      const stopPolicy = policy?.watch({
        clock,
        boundary,
        everyMs,
        replaced(value) {
          inForce?.replace(value);
          target.checkStreams();
          if (news.isNew("policy", policy.contents))
            logger.info({ audit: "policy", principals: value.entries.length }, "the policy was replaced");
        },
        refused(error) {
          if (news.isNew("policy", String(error)))
            logger.warn({ err: error }, "the new policy cannot be used; the last good one stays in force");
        },
      });
      return () => {
        stopPolicy?.();
        stopJwt?.();
        stopTokens?.();
        stopTls?.();
      };
    },
  };
}

function readTokenFile(path: string): WatchedFiles<"tokens", StaticTokens> {
  return new WatchedFiles("security", { tokens: path }, ({ tokens = "" }) =>
    readStaticTokens("security.tokens", tokens),
  );
}

function readPolicyFile(path: string): WatchedFiles<"policy", Policy> {
  return new WatchedFiles("security", { policy: path }, ({ policy = "" }) =>
    readPolicy("security.policy", policy),
  );
}

function readIssuerFile(path: string): readonly Issuer[] {
  const read = new WatchedFiles("security", { jwtIssuers: path }, ({ jwtIssuers = "" }) =>
    readIssuers("security.jwtIssuers", jwtIssuers),
  );
  return read.value;
}

/** Throws FIELD_INVALID where these options may not listen on this host. */
export function checkExposure(
  { tls, tokens, jwtIssuers, plaintext = false, anonymous = false }: SecurityOptions,
  host: string,
): void {
  const missing = missingProtection({
    host,
    encrypts: tls !== undefined,
    identifies: tls?.clientCa !== undefined || tokens !== undefined || jwtIssuers !== undefined,
    plaintext,
    anonymous,
  });
  if (missing === "tls")
    throw fieldInvalid("listen", "a loopback address without security.tls or security.plaintext");
  if (missing === "identity")
    throw fieldInvalid(
      "listen",
      "a loopback address without security.tls.clientCa, security.tokens, security.jwtIssuers or security.anonymous",
    );
}
