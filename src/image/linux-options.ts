/** Long names of the options that everything takes which has a command line and an initrd. */
export const LINUX_OPTIONS = [
  "command-line",
  "append",
  "reuse-cmdline",
  "initrd",
  "ramdisk",
] as const;
