/** The gRPC service of the rows about responses, and what a call of it answers: about 100 B. */
import { fileURLToPath } from "node:url";
import type { ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

export interface ProductRequest {
  readonly shop: string;
  readonly productId: string;
}

export interface Product extends ProductRequest {
  readonly title: string;
  readonly labels: readonly string[];
}

export function loadProducts(): ServiceDefinition {
  const includeDirs = ["../protos", "../../proto"].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const loaded = loadSync("bench/v1/products.proto", { includeDirs, longs: String });
  return loaded["bench.v1.ProductService"] as ServiceDefinition;
}

export function productOf({ shop, productId }: ProductRequest): Product {
  return { shop, productId, title: `the title of the product ${productId}`, labels: ["first", "second"] };
}
