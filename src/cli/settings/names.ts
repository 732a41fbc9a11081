/** How a setting is named by its flag and by its environment variable. */

/** valueMaxBytes -> --value-max-bytes */
export function toFlag(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** valueMaxBytes -> MESHCACHE_VALUE_MAX_BYTES */
export function toVariable(name: string): string {
  return `MESHCACHE_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}
