/** The version of this package. A constant, not read from the manifest: a bundle has no manifest beside it. */

/** `version` of package.json; a test compares them. */
export const VERSION = "0.1.0";
