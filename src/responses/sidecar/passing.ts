/** Calls that go to the service as they are. */
import type { OutgoingHttpHeaders } from "node:http2";
import { CacheError } from "../../common/errors.ts";
import { forward } from "./forward.ts";
import type { CallDeps, IncomingCall } from "./incoming-call.ts";
import type { Upstream } from "./upstream.ts";

export class Passing {
  readonly #upstream: Upstream;
  readonly #deps: CallDeps;

  constructor(upstream: Upstream, deps: CallDeps) {
    this.#upstream = upstream;
    this.#deps = deps;
  }

  /** A method without options. */
  pass(call: IncomingCall): void {
    this.#deps.counts.passed += 1;
    this.send(call, undefined, false);
  }

  /** A cached method whose call cannot be answered from the cache. */
  bypass(call: IncomingCall, body: Buffer, isWhole: boolean): void {
    this.#deps.counts.bypassed += 1;
    this.send(call, body, isWhole);
  }

  /** `body`: what was read of the request already; the rest follows unless `isWhole`. `ending`: see ForwardedCall. */
  send(
    call: IncomingCall,
    body: Buffer | undefined,
    isWhole: boolean,
    ending?: (code: number) => Promise<OutgoingHttpHeaders>,
  ): void {
    try {
      forward(this.#upstream, { call, body, isWhole, ending }, this.#deps.boundary);
    } catch (error) {
      if (!(error instanceof CacheError)) throw error;
      call.refuse("the service has as many calls as it may");
    }
  }
}
