/** Servers with a policy, whose principals are named by static tokens, and clients for them, until the end of a test. */
import { createHash } from "node:crypto";
import { credentials, Metadata } from "@grpc/grpc-js";
import type { Clock } from "../../src/common/clock.ts";
import { MeshCache } from "../../src/index.ts";
import { createServiceClient, type ServiceClient } from "../../src/rpc/client.ts";
import type { Permission } from "../../src/security/access/access.ts";
import type { SecurityOptions } from "../../src/security/security.ts";
import type { HttpPortOptions } from "../../src/server/http-port.ts";
import type { TransportLimits } from "../../src/server/limits/transport-limits.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import type { ProcessObservation, ThreadObservation } from "../../src/telemetry/telemetry.ts";
import { PemFolder } from "./certificates.ts";
import { type RunningServer, startServer } from "./running-server.ts";

export interface Rights {
  readonly namespaces: readonly string[];
  readonly may: readonly Permission[];
}

/** The rights of one principal, its limits, and whom it matches if that is not the token of its name. */
export interface LimitedRights {
  readonly match?: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  readonly allow: readonly Rights[];
}

type Principals = Readonly<Record<string, readonly Rights[] | LimitedRights>>;

/** A policy file in which each name is the principal token:NAME. */
export const policyOf = (principals: Principals): string =>
  JSON.stringify({
    principals: Object.entries(principals).map(([name, rights]) => ({
      name,
      match: [`token:${name}`],
      ...("limits" in rights ? rights : { allow: rights }),
    })),
  });

export interface Guarded extends RunningServer {
  readonly observed: ThreadObservation & ProcessObservation;
  readonly logged: string[];
  replace(yaml: string): void;
}

export interface GuardedOptions {
  readonly acceleration?: "on" | "off";
  readonly clock?: Clock;
  readonly transport?: Partial<TransportLimits>;
  readonly http?: HttpPortOptions;
  /** Beside tokens and the policy. */
  readonly security?: SecurityOptions;
}

export class GuardedServers implements AsyncDisposable {
  readonly #undo = new AsyncDisposableStack();
  readonly folder = this.#undo.use(new PemFolder());

  /** Each principal's token is its name. */
  async start(principals: Principals, { security, ...options }: GuardedOptions = {}): Promise<Guarded> {
    const logged: string[] = [];
    const log = (fields: object, message: string) => void logged.push(`${message} ${JSON.stringify(fields)}`);
    let thread: ThreadObservation | undefined;
    let process: ProcessObservation | undefined;
    const running = await startServer({
      security: { ...this.security(principals), ...security },
      ...options,
      telemetry: {
        ...createNoTelemetry({ info: log, warn: log, error: log }),
        observeThread(observation) {
          thread = observation;
          return () => {};
        },
        observeProcess(_store, observation) {
          process = observation;
          return () => {};
        },
      },
    });
    this.#undo.defer(() => running.stop());
    if (thread === undefined || process === undefined) throw new Error("nothing observes the server");
    const observed = { ...thread, ...process };
    return { ...running, observed, logged, replace: (yaml) => void this.folder.write("policy.yaml", yaml) };
  }

  /** The files of tokens and of the policy. */
  security(principals: Principals) {
    const names = [...Object.keys(principals), "nobody"];
    const tokens = this.folder.write("tokens", names.map((name) => `${name} ${sha256(name)}\n`).join(""));
    const policy = this.folder.write("policy.yaml", policyOf(principals));
    return { tokens, policy, reloadMs: 100 };
  }

  /** With connections of its own. */
  clientOf({ address }: { readonly address: string }): ServiceClient {
    const client = createServiceClient(address, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    this.#undo.defer(() => client.close());
    return client;
  }

  /** As this principal. */
  cacheOf(
    { address }: { readonly address: string },
    name: string,
    options: Partial<ConstructorParameters<typeof MeshCache>[0]> = {},
  ): MeshCache {
    const cache = new MeshCache({ ...options, address, token: () => name });
    this.#undo.defer(async () => {
      await cache.close({ graceMs: 0 });
    });
    return cache;
  }

  defer(undo: () => void | Promise<void>): void {
    this.#undo.defer(undo);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }
}

/** The options of a call of this principal. */
export const as = (name: string) => {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${name}`);
  return { metadata };
};

const sha256 = (token: string) => createHash("sha256").update(token).digest("hex");
