/**
 * Under which names libxenctrl may be installed. Its version is Xen's, and each goes by its own
 * name: `libxenctrl.so.4.17`. The name without a version comes with the package for developers.
 */

/** Names of libxenctrl in the text of /etc/ld.so.cache, a byte string: words that end with NUL,
 * each a path or a name; a name that ends a path need not be a word of its own. [ld.so(8)] */
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
 * Names to try, best first: the running hypervisor's own version; what the loader knows, newest
 * first; the name without a version.
 *
 * @param version of the running hypervisor, `4.17`; null where it is not known
 * @param cache the text of /etc/ld.so.cache, a byte string; null where there is none
 */
export function xenctrlNames(version: string | null, cache: string | null): string[] {
  const own = version === null ? [] : [`libxenctrl.so.${version}`];
  const known = namesInCache(cache ?? "").sort(newestFirst);
  return [...new Set([...own, ...known, "libxenctrl.so"])];
}
