/** Content codings of values over HTTP. A value is sent as it is stored: nothing is compressed or decompressed here. */

const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i;

/** The `content_encoding` of a Set for the header of a PUT: "" for none and for "identity". */
export function toContentEncoding(header: string | undefined): string {
  const coding = (header ?? "").trim().toLowerCase();
  return coding === "identity" ? "" : coding;
}

/** Whether a request with this Accept-Encoding takes a representation in `coding`. Without the header it takes any. */
export function acceptsCoding(header: string | undefined, coding: string): boolean {
  if (header === undefined) return true;
  let others = false;
  for (const part of header.toLowerCase().split(",")) {
    const [name = "", ...parameters] = part.split(";").map((text) => text.trim());
    if (name !== coding && name !== "*") continue;
    const taken = parameters.every((parameter) => Number(WEIGHT.exec(parameter)?.[1] ?? 0) > 0);
    if (name === coding) return taken;
    others = taken;
  }
  return others;
}
