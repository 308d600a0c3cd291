/**
 * Shows the steps of a long script as they happen: a heading, the lines that belong to it, and how
 * long it took. On a terminal one more line lives at the bottom while a step runs; elsewhere, and
 * on a terminal that does not know its width, there are only plain lines that stay.
 */

/** What is needed of process.stdout. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

interface Style {
  readonly heading: (text: string) => string;
  readonly command: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly quiet: (text: string) => string;
}

const plain = (text: string) => text;
const PLAIN: Style = { heading: plain, command: plain, good: plain, bad: plain, quiet: plain };

function ansi(code: number): (text: string) => string {
  return (text) => `\x1b[${code}m${text}\x1b[0m`;
}

const COLOURS: Style = {
  heading: ansi(1),
  command: ansi(36),
  good: ansi(32),
  bad: ansi(31),
  quiet: ansi(2),
};

const INDENT = "    ";
const FRAMES = ["|", "/", "-", "\\"];
const FRAME_MS = 120;

/** `3.4 s`, `2 min 5 s` */
export function showSeconds(seconds: number): string {
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

export interface FinishedStep {
  readonly name: string;
  readonly seconds: number;
}

/** Escapes and other control characters of a program that runs elsewhere do nothing here. */
function withoutControls(text: string): string {
  return Bun.stripANSI(text).replaceAll(/[^\x20-\x7e\xa0-\uffff]/g, " ");
}

export class Steps {
  readonly finished: FinishedStep[] = [];
  readonly #screen: Screen;
  readonly #width: number;
  readonly #style: Style;
  #running: { readonly name: string; readonly started: number } | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  #note = "";
  #frame = 0;

  constructor(screen: Screen, environment: Readonly<Record<string, string | undefined>>) {
    const isTerminal = screen.isTTY === true && environment.TERM !== "dumb";
    this.#screen = screen;
    this.#width = isTerminal ? (screen.columns ?? 0) : 0;
    this.#style = isTerminal && !environment.NO_COLOR ? COLOURS : PLAIN;
  }

  /** Starts a step; `name` is what it is called in a summary. */
  begin(name: string, heading: string): void {
    this.#running = { name, started: performance.now() };
    this.#note = "";
    this.#print(`\n${this.#style.heading(heading)}`);
    if (this.#width === 0) return;
    this.#timer = setInterval(() => {
      this.#frame = (this.#frame + 1) % FRAMES.length;
      this.#drawLive();
    }, FRAME_MS);
    this.#drawLive();
  }

  /** A line that stays. */
  line(text: string): void {
    this.#note = "";
    this.#print(INDENT + withoutControls(text));
  }

  /** A line that stays: a command that is run, as a shell shows it. */
  command(text: string): void {
    this.#print(INDENT + this.#style.command(`# ${withoutControls(text)}`));
  }

  /** What is happening now: only on a terminal, only until the next. */
  note(text: string): void {
    this.#note = withoutControls(text);
  }

  /** Ends the running step well. */
  end(): void {
    const step = this.#stop();
    if (step === null) return;
    this.finished.push(step);
    this.#print(INDENT + this.#style.good(`done in ${showSeconds(step.seconds)}`));
  }

  /** Ends the running step, if there is one, and says why it failed. */
  fail(reason: string): void {
    const step = this.#stop();
    const after = step === null ? "" : ` after ${showSeconds(step.seconds)}`;
    this.#print(INDENT + this.#style.bad(`FAILED${after}`));
    for (const line of reason.split("\n")) this.#print(INDENT + withoutControls(line));
  }

  /** A line outside all steps. */
  say(text: string): void {
    this.#print(this.#style.heading(text));
  }

  #stop(): FinishedStep | null {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#eraseLive();
    const running = this.#running;
    this.#running = null;
    if (running === null) return null;
    return { name: running.name, seconds: (performance.now() - running.started) / 1000 };
  }

  #print(text: string): void {
    this.#eraseLive();
    this.#screen.write(`${text}\n`);
    if (this.#timer !== null) this.#drawLive();
  }

  #eraseLive(): void {
    if (this.#width > 0) this.#screen.write("\r\x1b[K");
  }

  #drawLive(): void {
    if (this.#running === null) return;
    const time = showSeconds((performance.now() - this.#running.started) / 1000);
    const text = `${INDENT}${FRAMES[this.#frame]} ${time}  ${this.#note}`;
    // A line as wide as the terminal would wrap, and could not be erased.
    this.#screen.write(`\r\x1b[K${this.#style.quiet(text.slice(0, this.#width - 1))}`);
  }
}
