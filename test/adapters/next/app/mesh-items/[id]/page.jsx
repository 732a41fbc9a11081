import { json, MeshCache } from "meshcache-client";
import { connection } from "next/server";
import { Suspense } from "react";
import { readSource } from "../../source.js";

const cache = new MeshCache({ address: process.env.MESHCACHE_ADDRESS ?? "127.0.0.1:50051" });
const items = cache.namespace("items", { codec: json(), ttlMs: "1h" });

async function readItem(id) {
  return items.getOrLoad(id, () => readSource(`item-${id}`), { tags: [`item:${id}`, "items"] });
}

async function Item({ params }) {
  await connection();
  const { id } = await params;
  return <p>item={await readItem(id)};</p>;
}

export default function Page({ params }) {
  return (
    <Suspense fallback={<p>loading</p>}>
      <Item params={params} />
    </Suspense>
  );
}
