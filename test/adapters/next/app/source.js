/** What the pages show: it changes when the test says so. */
export async function readSource(name) {
  const response = await fetch(`${process.env.SOURCE_URL}/${name}`, { cache: "no-store" });
  return response.text();
}
