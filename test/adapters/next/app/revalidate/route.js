import { revalidatePath, revalidateTag } from "next/cache";

export async function POST(request) {
  const { tag, path, profile } = await request.json();
  if (tag !== undefined) revalidateTag(tag, profile ?? { expire: 0 });
  if (path !== undefined) revalidatePath(path);
  return Response.json({ done: true });
}
