/**
 * The names under which libxenctrl may be installed. Its name has Xen's version:
 * `libxenctrl.so.4.17`. Only the development package installs a name without a version.
 */

/** The names of libxenctrl in /etc/ld.so.cache. The cache is searched as words that end with NUL,
 * names and paths; the last component of a path counts as a name.
 * @param cache the file's text, a byte string [ld.so(8)] */
function namesInCache(cache: string): string[] {
  const found = cache.split("\0").flatMap((word) => {
    const [, name] = /(?:^|[^\w.+-])(libxenctrl\.so\.\d+(?:\.\d+)*)$/.exec(word) ?? [];
    return name === undefined ? [] : [name];
  });
  return [...new Set(found)];
}

const newestFirst = new Intl.Collator("en", { numeric: true });

/**
 * The names to try, in order: the name with the running hypervisor's version; the names in the
 * loader's cache, newest first; the name without a version.
 *
 * @param version of the running hypervisor, `4.17`; null if unknown
 * @param cache the text of /etc/ld.so.cache, a byte string; null where there is none
 */
export function xenctrlNames(version: string | null, cache: string | null): string[] {
  const own = version === null ? [] : [`libxenctrl.so.${version}`];
  const known = namesInCache(cache ?? "").sort((a, b) => newestFirst.compare(b, a));
  return [...new Set([...own, ...known, "libxenctrl.so"])];
}
