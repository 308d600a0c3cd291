/** What `--doctor` finds on a machine. */

/** `ok` works, `no` does not, `note` is to be known. */
export type Verdict = "ok" | "no" | "note";

export interface Finding {
  /** One word or two, for people and programs. */
  readonly subject: string;
  readonly verdict: Verdict;
  /** One sentence. */
  readonly text: string;
  /** What to do; empty where there is nothing. */
  readonly hint: string;
}

/** What only an architecture knows of a machine, by where it stands among the other findings. */
export interface ArchFindings {
  /** Which images the firmware lets run: before what the kernel lets load. */
  readonly firmware: readonly Finding[];
  /** What the next kernel is told of the machine: the last findings. */
  readonly handoff: readonly Finding[];
}

export const finding = (subject: string, verdict: Verdict, text: string, hint = ""): Finding => ({
  subject,
  verdict,
  text,
  hint,
});
