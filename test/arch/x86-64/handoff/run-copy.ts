/** Runs the code that copies ACPI's root pointer, as a processor would: the few instructions that
 * it is made of, and no others. */

/** By address; what is not there is 0. */
export type Memory = Map<number, number>;

/** @returns where it ends: the address that it jumps to. @throws for any other instruction */
export function runCopy(memory: Memory, start: number): number {
  const byte = (at: number) => memory.get(at) ?? 0;
  const word = (at: number) =>
    (byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24)) >>> 0;
  const store = (at: number, value: number) => {
    for (let i = 0; i < 4; i += 1) memory.set(at + i, (value >>> (8 * i)) & 0xff);
  };
  let [esi, edi, ecx, ip] = [0, 0, 0, start];
  let above = false;
  let forwards = false;
  for (let steps = 0; steps < 100; steps += 1) {
    const pair = (byte(ip) << 8) | byte(ip + 1);
    if (byte(ip) === 0xfc) [forwards, ip] = [true, ip + 1];
    else if (byte(ip) === 0xbe) [esi, ip] = [word(ip + 1), ip + 5];
    else if (byte(ip) === 0xbf) [edi, ip] = [word(ip + 1), ip + 5];
    else if (byte(ip) === 0xb9) [ecx, ip] = [word(ip + 1), ip + 5];
    else if (pair === 0xf3a5 && forwards) {
      for (; ecx > 0; ecx -= 1, esi += 4, edi += 4) store(edi, word(esi));
      ip += 2;
    } else if (pair === 0x803d) [above, ip] = [byte(word(ip + 2)) >= byte(ip + 6), ip + 7];
    else if (byte(ip) === 0x73) ip += 2 + (above ? byte(ip + 1) : 0);
    else if (pair === 0xc705) {
      store(word(ip + 2), word(ip + 6));
      ip += 10;
    } else if (pair === 0xffe1) return ecx;
    else throw new Error(`no such instruction at ${ip.toString(16)}: ${pair.toString(16)}`);
  }
  throw new Error("it does not end");
}
