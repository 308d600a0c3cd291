/**
 * The names under which libxenctrl may be installed. Its name has Xen's version:
 * `libxenctrl.so.4.17`. Only the development package installs a name without a version.
 */

/** The names of libxenctrl in /etc/ld.so.cache. The cache is searched as words that end with NUL,
 * names and paths; the last component of a path counts as a name.
 * @param cache the file's text, a byte string [ld.so(8)] */
function namesInCache(cache: string): string[] {
  const found = cache.split("\0").flatMap((word) => {
    const [, name] =
      /(?:^|[^0-9A-Za-z_.+-])(libxenctrl\.so\.[0-9]+(?:\.[0-9]+)*)$/.exec(word) ?? [];
    return name === undefined ? [] : [name];
  });
  return [...new Set(found)];
}

/** For sorting names by the numbers in them, the largest first. */
function newestFirst(a: string, b: string): number {
  const [numbers, others] = [a, b].map((name) => (name.match(/[0-9]+/g) ?? []).map(BigInt));
  for (const [i, one] of (numbers ?? []).entries()) {
    const other = others?.[i];
    if (other === undefined || one > other) return -1;
    if (one < other) return 1;
  }
  return (others?.length ?? 0) - (numbers?.length ?? 0);
}

/**
 * The names to try, in order: the name with the running hypervisor's version; the names in the
 * loader's cache, newest first; the name without a version.
 *
 * @param version of the running hypervisor, `4.17`; null if unknown
 * @param cache the text of /etc/ld.so.cache, a byte string; null where there is none
 */
export function xenctrlNames(version: string | null, cache: string | null): string[] {
  const own = version === null ? [] : [`libxenctrl.so.${version}`];
  const known = namesInCache(cache ?? "").sort(newestFirst);
  return [...new Set([...own, ...known, "libxenctrl.so"])];
}
