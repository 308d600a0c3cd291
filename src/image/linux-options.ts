/** Long names of the loader options of every image type with a command line and an initrd. */
export const LINUX_OPTIONS = [
  "command-line",
  "append",
  "reuse-cmdline",
  "initrd",
  "ramdisk",
] as const;
