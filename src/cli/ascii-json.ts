/** `value` as indented JSON text in ASCII. Bytes from 0x7f to 0xff of byte strings become
 * `\u007f`–`\u00ff`, so that no terminal or tool re-encodes them. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /[\u007f-\u00ff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
