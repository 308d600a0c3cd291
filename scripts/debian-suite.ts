/** The package lists of another Debian, in a folder of their own: this machine's stay as they
 * are. */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { runCommand } from "./command.ts";

const MIRROR = "http://deb.debian.org/debian";
const KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** What apt expects in its folder. */
const FOLDERS = [
  ...["etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/trusted.gpg.d"],
  ...["var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg"],
];

/** Options for apt-get and apt-cache that make them see `suite` only. @throws Problem */
export function suiteOptions(suite: string): string[] {
  const folder = cacheFolder(`apt-${suite}`);
  for (const one of FOLDERS) mkdirSync(join(folder, one), { recursive: true });
  const sources = join(folder, "etc/apt/sources.list");
  if (!existsSync(sources)) {
    writeFileSync(sources, `deb [signed-by=${KEYS}] ${MIRROR} ${suite} main\n`);
    writeFileSync(join(folder, "var/lib/dpkg/status"), "");
  }
  const settings = [
    `Dir=${folder}`,
    `Dir::State::status=${join(folder, "var/lib/dpkg/status")}`,
    "Acquire::Languages=none",
    // A mirror that stands still has lists that are no longer valid.
    "Acquire::Check-Valid-Until=false",
  ];
  return settings.flatMap((setting) => ["-o", setting]);
}

/** Fetches the package lists of `suite`. @throws Problem */
export function refreshSuite(suite: string, say: (line: string) => void): void {
  const step = `Fetch the package lists of Debian ${suite}`;
  say(step);
  const advice = "look at the network";
  runCommand(step, ["apt-get", "-q", ...suiteOptions(suite), "update"], { advice });
}
