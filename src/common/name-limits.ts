/** The longest names that any configuration allows, in bytes of UTF-8: memory of fixed size is laid out for them. */

export const NAMESPACE_LIMIT_BYTES = 255;
/** Of a key, and of a prefix of keys. */
export const KEY_LIMIT_BYTES = 16 * 1024;
/** Of the name of a content encoding. No configuration changes it. */
export const CONTENT_ENCODING_MAX_BYTES = 32;
