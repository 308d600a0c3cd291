/** Architectures that facts and plans can name; arch/index.ts has those that onekexec supports. */
export const ARCHITECTURES = ["x86_64", "arm64"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];
