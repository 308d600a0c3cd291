/**
 * What an attacker may write into BUN_OPTIONS. DIRECTORY stands for the hostile directory, which is
 * also the working directory.
 */

export interface BunOptionsForm {
  readonly text: string;
  /** It changes something in a file built without our flags, as Bun 1.4.5 has it. */
  readonly live: boolean;
}

const live = (...texts: string[]): BunOptionsForm[] => texts.map((text) => ({ text, live: true }));
/** Without effect today; the next Bun may think otherwise. */
const dead = (...texts: string[]): BunOptionsForm[] => texts.map((text) => ({ text, live: false }));

export const optionsText = ({ text }: BunOptionsForm): string => text;

export const BUN_OPTIONS_FORMS: readonly BunOptionsForm[] = [
  ...live(
    "--preload ./evil.ts",
    "--preload=./evil.ts",
    "--preload=DIRECTORY/evil.ts",
    "-r ./evil.ts",
    "-r=./evil.ts",
    "--require ./evil.ts",
    "--require=DIRECTORY/evil.js",
    "--import ./evil.ts",
    "--import=./evil.ts",
    "--smol --preload ./evil.ts",
    "--config=./other.toml",
    "--config=DIRECTORY/other.toml",
    "--version",
    "-v",
    "--revision",
    "--help",
    "-h",
    "--cpu-prof",
    "--heap-prof",
    "--cpu-prof --cpu-prof-dir=DIRECTORY",
  ),
  ...dead(
    "--config ./other.toml",
    "-c ./other.toml",
    "-c=./other.toml",
    "-c./other.toml",
    "--inspect",
    "--inspect=127.0.0.1:9781",
    "--inspect-wait",
    "--inspect-wait=127.0.0.1:9782",
    "--inspect-brk",
    "--env-file=./.env",
    "--env-file ./.env",
    "--env-file=DIRECTORY/.env",
    "--print 1",
    "-p 1",
    "--eval 1",
    "-e 1",
    "-e require('./evil.js')",
    "--smol",
    "--",
    "-- --preload ./evil.ts",
    "--cwd=/",
    "--cwd=DIRECTORY",
    "--hot",
    "--watch",
    "--define process.argv:[]",
    "--install=force",
    "--tsconfig-override=./tsconfig.json",
    "--fetch-preconnect=http://127.0.0.1:9",
    "--bun",
    "--no-such-option",
    "run ./evil.ts",
    "./evil.ts",
    "exec ./evil.ts",
    "test",
    "install",
    '--preload "./evil.ts"',
    "--preload\t./evil.ts",
    "\u00ff --preload ./evil.ts",
  ),
];
