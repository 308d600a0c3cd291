/** Architectures that onekexec has words for; arch/index.ts has those that it can plan for. */
export const ARCHITECTURES = ["x86_64", "arm64"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];
