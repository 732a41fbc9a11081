/** Which releases of Node meshcache runs on. It must itself load on much older ones, so it uses little. */

/** Major and minor, as `engines` in package.json has them. */
export const NODE_MIN = "22.18";

/** What to say to who runs `version`, such as "20.19.0". Undefined: it is recent enough. */
export function nodeComplaint(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [majorMin = 0, minorMin = 0] = NODE_MIN.split(".").map(Number);
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return undefined;
  return `needs Node.js ${NODE_MIN} or later, and this is Node.js ${version}`;
}
