/** Lines of a stream, as they come. */

/** Each line as a byte string, without its end; a last one without an end too. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream) {
    rest += Buffer.from(chunk).toString("latin1");
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield line.replaceAll("\r", "");
  }
  if (rest !== "") yield rest.replaceAll("\r", "");
}
