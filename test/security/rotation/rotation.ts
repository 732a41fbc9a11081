/**
 * Rotation under load: clients work while certificates, authorities, keys of tokens and the policy are replaced, and each answer is
 * judged. A permitted call must not fail. What is not permitted any more must fail from the moment at which the server says
 * that the new files are in force; a stream must have ended within a minute of it.
 */
import { credentials, Metadata } from "@grpc/grpc-js";
import { CacheService } from "../../../gen/meshcache/v1/cache_pb.ts";
import { CacheError, json, MeshCache, type Namespace } from "../../../src/index.ts";
import { createServiceClient, type ServiceClient } from "../../../src/rpc/client.ts";
import type { FixedCredentials, RotatedFiles, Service } from "./rotated-files.ts";

export type FileKind = "policy" | "keys" | "certificate";

export interface RotatedServer {
  readonly address: string;
  /** Resolves when the log of its only thread says so many times that files of this kind were replaced. */
  replaced(kind: FileKind, times: number): Promise<void>;
}

export interface RotationReport {
  rounds: number;
  /** Calls that were permitted, and answered. */
  answered: number;
  /** Calls that were not permitted, and denied. */
  denied: number;
  /** What must be empty: permitted calls that failed, and calls that were answered though nothing permitted them. */
  readonly faults: string[];
  /** How long each stream went on after it was not permitted any more. */
  readonly streamsMs: number[];
}

const FAULTS_SHOWN = 50;
const PATIENCE_MS = 30_000;

export class Rotation {
  readonly report: RotationReport = { rounds: 0, answered: 0, denied: 0, faults: [], streamsMs: [] };
  readonly #files: RotatedFiles;
  readonly #server: RotatedServer;
  readonly #caches: MeshCache[] = [];
  readonly #working: Promise<void>[] = [];
  readonly #streams: Promise<void>[] = [];
  #isOver = false;
  /** The round of the policy that is in force. Undefined: it is being replaced. */
  #policyRound: number | undefined = 0;
  #certificates = 0;
  #keys = 0;

  constructor(files: RotatedFiles, server: RotatedServer) {
    this.#files = files;
    this.#server = server;
  }

  /** Connects as the service, and from then on calls again and again with a rest of `restMs` between. */
  async work(service: Service, restMs: () => Promise<void>): Promise<void> {
    const cache = this.#connect(service);
    const names = cache.namespace(service, { codec: json<number>(), ttlMs: 60_000 });
    await names.get("k");
    const once = service === "flip" ? () => this.#flipOnce(names) : (at: number) => this.#workOnce(names, at);
    this.#working.push(
      (async () => {
        for (let at = 0; !this.#isOver; at++) {
          await once(at);
          await restMs();
        }
      })(),
    );
  }

  /** Replaces all files once. Resolves when the old ones are not in use any more. */
  async round(): Promise<void> {
    const before = this.#leaver("orders", this.#files.fixed("orders"));
    await this.#expectAnswer("a call by what is trusted", before);
    const followed = this.#follow(this.#leaver("orders", this.#files.fixed("orders")).client, "orders");
    this.#policyRound = undefined;
    const flip = this.#files.permitsFlip ? this.#followFlip() : undefined;
    await Promise.all([followed.isLive, flip?.isLive]);
    this.#files.introduce();
    await this.#inForce(1, 1, this.#files.round);
    flip?.notPermitted();
    this.#policyRound = this.#files.round;
    const oldToken = this.#files.token;
    this.#files.reissue();
    await this.#inForce(1, 0, this.#files.round);
    const withOldToken = this.#leaver("shop", { ...this.#files.fixed("shop"), token: oldToken });
    await this.#expectAnswer("a call by what is trusted still", before);
    await this.#expectAnswer("a call by a token whose key is trusted still", withOldToken);
    this.#files.retire();
    await this.#inForce(1, 1, this.#files.round);
    followed.notPermitted();
    await this.#expectRefusal("a call by a certificate of an authority that was removed", before);
    await this.#expectRefusal("a call by a token of a key that was removed", withOldToken);
    this.report.rounds += 1;
    before.client.close();
    withOldToken.client.close();
    this.#streams.push(followed.ended);
    if (flip !== undefined) this.#streams.push(flip.ended);
  }

  /** Lets everybody finish, and waits for the streams that have to end. */
  async stop(): Promise<RotationReport> {
    this.#isOver = true;
    await Promise.all(this.#working);
    await Promise.all(this.#streams);
    await Promise.all(this.#caches.map((cache) => cache.close({ graceMs: 0 })));
    return this.report;
  }

  #connect(service: Service): MeshCache {
    const cache = new MeshCache({
      address: this.#server.address,
      tls: this.#files.tlsOf(service),
      ...(service === "shop" ? { token: () => this.#files.token } : {}),
      // A host that is busy with something else must not fail a call.
      deadlineMs: PATIENCE_MS,
      connectTimeoutMs: PATIENCE_MS,
      backoffMaxMs: 200,
    });
    this.#caches.push(cache);
    return cache;
  }

  async #workOnce(names: Namespace<number>, at: number): Promise<void> {
    const key = `k${at % 20}`;
    const calls = [
      names.set(key, at),
      names.get(key),
      names.get(key, { maxStalenessMs: 0 }),
      names.getMany(["k1", "k2", key]),
      names.getOrLoad(`loaded ${at % 50}`, () => at),
      ...(at % 10 === 0 ? [names.invalidate({ keys: [key] })] : []),
    ];
    for (const settled of await Promise.allSettled<unknown>(calls)) {
      if (settled.status === "fulfilled") this.report.answered += 1;
      else this.#fault(`a permitted call failed: ${settled.reason}`);
    }
  }

  /** Judged by the policy, unless that was replaced meanwhile. */
  async #flipOnce(names: Namespace<number>): Promise<void> {
    const round = this.#policyRound;
    const outcome = await names.get("k", { maxStalenessMs: 0 }).then(
      () => "answered" as const,
      (error: unknown) => error,
    );
    if (round === undefined || round !== this.#policyRound) return;
    const isDenied = outcome instanceof CacheError && outcome.reason === "PERMISSION_DENIED";
    if (outcome === "answered" && round % 2 === 0) this.report.answered += 1;
    else if (isDenied && round % 2 === 1) this.report.denied += 1;
    else this.#fault(`by the policy of round ${round}, "flip" got: ${outcome}`);
  }

  /** A client that keeps what it has. */
  #leaver(service: Service, { ca, cert, key, token }: FixedCredentials): Leaver {
    const secure = credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert));
    const client = createServiceClient(this.#server.address, secure, {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.ssl_target_name_override": "localhost",
    });
    const metadata = new Metadata();
    if (service === "shop") metadata.set("authorization", `Bearer ${token}`);
    return {
      client,
      get: () =>
        client.unary(
          CacheService.method.get,
          { namespace: service, key: "k" },
          { metadata, timeoutMs: PATIENCE_MS },
        ),
    };
  }

  async #expectAnswer(what: string, { get }: Leaver): Promise<void> {
    await get().then(
      () => {
        this.report.answered += 1;
      },
      (error) => this.#fault(`${what} failed: ${error}`),
    );
  }

  async #expectRefusal(what: string, { get }: Leaver): Promise<void> {
    await get().then(
      () => this.#fault(`${what} was answered`),
      () => {
        this.report.denied += 1;
      },
    );
  }

  #followFlip(): Followed {
    const { client } = this.#leaver("flip", this.#files.fixed("flip"));
    return this.#follow(client, "flip");
  }

  /** Ends the client with the stream. */
  #follow(client: ServiceClient, namespace: Service): Followed {
    const stream = client.serverStream(CacheService.method.stream, { namespace });
    let sinceMs: number | undefined;
    let isEnded = false;
    const isLive = new Promise<void>((resolve) => {
      stream.once("data", () => resolve());
      stream.once("error", () => resolve());
    });
    const ended = new Promise<void>((resolve) => {
      stream.on("error", () => {
        isEnded = true;
        if (sinceMs !== undefined) this.report.streamsMs.push(performance.now() - sinceMs);
        client.close();
        resolve();
      });
    });
    return {
      isLive,
      ended,
      notPermitted: () => {
        sinceMs = performance.now();
        // It ended with the calls that were refused.
        if (isEnded) this.report.streamsMs.push(0);
      },
    };
  }

  /** Waits until so many more contents of the TLS files and keys are in use, and the policy of this round. */
  async #inForce(certificates: number, keys: number, policyRound: number): Promise<void> {
    this.#certificates += certificates;
    this.#keys += keys;
    await Promise.all([
      this.#server.replaced("certificate", this.#certificates),
      this.#server.replaced("keys", this.#keys),
      this.#server.replaced("policy", policyRound),
    ]);
  }

  #fault(what: string): void {
    if (this.report.faults.length < FAULTS_SHOWN)
      this.report.faults.push(`round ${this.#files.round}: ${what}`);
  }
}

interface Leaver {
  readonly client: ServiceClient;
  get(): Promise<unknown>;
}

interface Followed {
  readonly isLive: Promise<void>;
  readonly ended: Promise<void>;
  /** Its time runs from now on. */
  notPermitted(): void;
}

/** Counts the lines of a log that say that files were replaced. */
export class ReplacementLog {
  readonly #counts: Record<FileKind, number> = { policy: 0, keys: 0, certificate: 0 };
  readonly #waiting = new Set<() => void>();

  /** A line with `"audit":"KIND"`. */
  take(line: string): void {
    const [, kind] = /"audit":"(policy|keys|certificate)"/.exec(line) ?? [];
    if (kind !== "policy" && kind !== "keys" && kind !== "certificate") return;
    this.#counts[kind] += 1;
    for (const check of this.#waiting) check();
  }

  replaced(kind: FileKind, times: number): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (this.#counts[kind] < times) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }
}
