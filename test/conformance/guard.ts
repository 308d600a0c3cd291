/**
 * Which command lines of a kexec may be run outside a virtual machine: only those that cannot start
 * a kernel, shut the machine down, or take a network interface down. It knows no getopt and trusts
 * none: what it does not understand, it refuses.
 */

/** Letters of options without argument that do no more than set something. */
const HARMLESS_LETTERS = "h?vdixyluscaSp";
/** Of these, one is enough to keep kexec from shutting down into the kernel that it loads. */
const ACTION_LETTERS = "hvluSp";
/** The same as whole words. `--dry-run` is not among them: only ours knows it. */
const ACTIONS = ["--help", "--version", "--load", "--unload", "--status", "--load-panic"];
/** Never, abbreviated or not: what starts a kernel, or takes the network down. */
const DANGEROUS = ["exec", "exec-live-update", "force", "load-jump-back-helper"];
/** Whole words that are a prefix of a dangerous one and yet mean themselves. */
const EXACT = ["--load"];

function refuse(argv: readonly string[], why: string): never {
  throw new Error(`refused to run kexec ${JSON.stringify(argv)} outside a virtual machine: ${why}`);
}

/** True if getopt might take `word` for one of the dangerous options. */
function isDangerous(word: string): boolean {
  if (EXACT.includes(word)) return false;
  if (word.startsWith("--")) {
    const name = word.slice(2).split("=")[0] ?? "";
    return word !== "--" && DANGEROUS.some((dangerous) => dangerous.startsWith(name));
  }
  return word.startsWith("-") && /[ef]/.test(word);
}

const isCluster = (word: string, letters: string): boolean =>
  word.length > 1 && word.startsWith("-") && [...word.slice(1)].every((c) => letters.includes(c));

/** True if `word` says for sure that there will be no shutdown. */
function isAction(word: string): boolean {
  if (ACTIONS.includes(word)) return true;
  return (
    isCluster(word, HARMLESS_LETTERS) && [...word].some((letter) => ACTION_LETTERS.includes(letter))
  );
}

/** True if `word` is an option that cannot take the next word for its argument. */
function isSelfContained(word: string): boolean {
  return isCluster(word, HARMLESS_LETTERS) || /^--[a-z0-9-]+=/.test(word);
}

/** True if no word can be the name of a kernel. */
function hasNoOperand(argv: readonly string[]): boolean {
  return argv.every((word) => /^-[^-]/.test(word) || /^--./.test(word));
}

/**
 * Lets a harmless command line pass.
 * @throws Error for every other one
 */
export function assertHarmless(argv: readonly string[]): void {
  const dangerous = argv.find(isDangerous);
  if (dangerous !== undefined) refuse(argv, `${dangerous} starts a kernel or stops the network`);
  if (hasNoOperand(argv)) return;
  const firstOther = argv.findIndex((word) => !isSelfContained(word) && !isAction(word));
  const before = firstOther < 0 ? argv : argv.slice(0, firstOther);
  if (!before.some(isAction)) refuse(argv, "it may load a kernel and shut down into it");
}
