import { cacheLife, cacheTag } from "next/cache";
import { connection } from "next/server";
import { Suspense } from "react";
import { readSource } from "../../source.js";

async function readItem(id) {
  "use cache";
  cacheTag(`item:${id}`, "items");
  cacheLife("hours");
  return readSource(`item-${id}`);
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
