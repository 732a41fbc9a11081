/** The process that calls the service: without a cache, through an interceptor that answers at once, and through the cache. */
import {
  type Client,
  credentials,
  InterceptingCall,
  type InterceptingListener,
  type Interceptor,
  Metadata,
  makeClientConstructor,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { MeshCache } from "../../src/index.ts";
import { createCacheInterceptor } from "../../src/responses/grpc/index.ts";
import { answerCalls } from "../process/worker.ts";
import { loadProducts, type Product, type ProductRequest, productOf } from "./products.ts";

/** "empty": an interceptor that answers with the same object each time and does nothing else. */
export type Way = "uncached" | "empty" | "cached";

export interface CallsWindow {
  readonly perSecond: number;
  /** CPU of this process, for one call. */
  readonly microsOfCpu: number;
}

export interface CallsShape {
  readonly way: Way;
  readonly inFlight: number;
  readonly durationMs: number;
  /** Each call asks for another product. Default: all ask for the same few. */
  readonly fresh?: boolean;
}

const FEW = 100;
const NEAR_MAX_BYTES = 2 ** 28;
const definition = loadProducts();
const ProductClient = makeClientConstructor(definition, "products");

const requestOf = (id: number): ProductRequest => ({ shop: "main", productId: String(id) });

/** The least that an interceptor does that answers calls itself. */
function answerAtOnce(): Interceptor {
  const product = productOf(requestOf(0));
  return () => {
    let listener: InterceptingListener | undefined;
    return new InterceptingCall({
      start: (_metadata, given) => {
        listener = given as InterceptingListener;
      },
      sendMessageWithContext: () => {},
      sendMessage: () => {},
      startRead: () => {},
      halfClose: () =>
        queueMicrotask(() => {
          listener?.onReceiveMetadata(new Metadata());
          listener?.onReceiveMessage(product);
          listener?.onReceiveStatus({ code: status.OK, details: "OK", metadata: new Metadata() });
        }),
      cancelWithStatus: () => {},
      getPeer: () => "",
      getAuthContext: () => null,
    });
  };
}

let ways: Readonly<Record<Way, Client>> | undefined;
let lastFresh = FEW;

function get(client: Client, request: ProductRequest): Promise<Product> {
  const { path, requestSerialize, responseDeserialize } = definition.GetProduct ?? missing();
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      (error: ServiceError | null, product?: Product) =>
        error || product === undefined ? reject(error) : resolve(product),
    );
  });
}

function missing(): never {
  throw new Error("not prepared");
}

const handlers = {
  async connect(service: string, cacheAddress: string): Promise<void> {
    const cache = new MeshCache({ address: cacheAddress, nearCache: { maxBytes: NEAR_MAX_BYTES } });
    const cached = createCacheInterceptor({ cache, definitions: definition });
    const open = (interceptors: Interceptor[]) =>
      new ProductClient(service, credentials.createInsecure(), { interceptors });
    ways = { uncached: open([]), empty: open([answerAtOnce()]), cached: open([cached]) };
    // The first read opens the subscription. Nothing is kept before it is live.
    for (let id = 0; id < FEW; id++) {
      for (let round = 0; round < 2; round++) await get(ways.cached, requestOf(id));
    }
  },

  async calls({ way, inFlight, durationMs, fresh = false }: CallsShape): Promise<CallsWindow> {
    const client = ways?.[way] ?? missing();
    const startedMs = performance.now();
    const cpu = process.cpuUsage();
    let calls = 0;
    const lane = async (first: number): Promise<void> => {
      for (let id = first; performance.now() - startedMs < durationMs; id++) {
        const request = requestOf(fresh ? ++lastFresh : id % FEW);
        const { productId } = await get(client, request);
        if (way !== "empty" && productId !== request.productId) throw new Error("another product");
        calls++;
        // The event loop must handle pings and events.
        if (calls % FEW === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      }
    };
    await Promise.all(Array.from({ length: inFlight }, (_, at) => lane(at)));
    const { user, system } = process.cpuUsage(cpu);
    return {
      perSecond: (calls / (performance.now() - startedMs)) * 1_000,
      microsOfCpu: (user + system) / calls,
    };
  },
};

export type ResponsesLoad = typeof handlers;

answerCalls(handlers);
