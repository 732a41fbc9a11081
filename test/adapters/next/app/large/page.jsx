import { cacheLife, cacheTag } from "next/cache";
import { connection } from "next/server";
import { Suspense } from "react";
import { readSource } from "../source.js";

/** A component of two megabytes under a key of a thousand characters. */
async function Large({ padding }) {
  "use cache";
  cacheTag("large");
  cacheLife("hours");
  const value = await readSource("large");
  return (
    <p title={padding}>
      large={value};{"x".repeat(2_000_000)}
    </p>
  );
}

async function AtRequest() {
  await connection();
  return <Large padding={"p".repeat(1_000)} />;
}

export default function Page() {
  return (
    <Suspense fallback={<p>loading</p>}>
      <AtRequest />
    </Suspense>
  );
}
