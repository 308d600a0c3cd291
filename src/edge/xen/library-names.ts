/**
 * Under which names libxenctrl may be installed. Its version is Xen's, and each goes by its own
 * name: `libxenctrl.so.4.17`. The name without a version comes with the package for developers.
 */

/** Names of libxenctrl in the text of /etc/ld.so.cache, a byte string: words that end with NUL,
 * each a path or a name; a name that ends a path need not be a word of its own. [ld.so(8)] */
function namesInCache(cache: string): string[] {
  const found = cache.split("\0").flatMap((word) => {
    const [, name] = /(?:^|[^\w.+-])(libxenctrl\.so\.\d+(?:\.\d+)*)$/.exec(word) ?? [];
    return name === undefined ? [] : [name];
  });
  return [...new Set(found)];
}

const newestFirst = new Intl.Collator("en", { numeric: true });

/**
 * Names to try, best first: the running hypervisor's own version; what the loader knows, newest
 * first; the name without a version.
 *
 * @param version of the running hypervisor, `4.17`; null where it is not known
 * @param cache the text of /etc/ld.so.cache, a byte string; null where there is none
 */
export function xenctrlNames(version: string | null, cache: string | null): string[] {
  const own = version === null ? [] : [`libxenctrl.so.${version}`];
  const known = namesInCache(cache ?? "").sort((a, b) => newestFirst.compare(b, a));
  return [...new Set([...own, ...known, "libxenctrl.so"])];
}
