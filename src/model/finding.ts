/** The findings of `--doctor`. */

/** `ok`: works; `no`: does not work; `note`: for information. */
export type Verdict = "ok" | "no" | "note";

export interface Finding {
  /** One word or two, for people and programs. */
  readonly subject: string;
  readonly verdict: Verdict;
  /** One sentence. */
  readonly text: string;
  /** What to do about it; may be empty. */
  readonly hint: string;
}

/** The findings that only an architecture has, by their place among the others. */
export interface ArchFindings {
  /** Which images the firmware allows to run; they precede the findings on lockdown. */
  readonly firmware: readonly Finding[];
  /** Which data of the machine the next kernel gets; these come last. */
  readonly handoff: readonly Finding[];
}

export const finding = (subject: string, verdict: Verdict, text: string, hint = ""): Finding => ({
  subject,
  verdict,
  text,
  hint,
});
