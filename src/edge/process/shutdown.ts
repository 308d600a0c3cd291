/** What precedes the start of another kernel: shutdown(8), or taking network interfaces down. */

import { textUntilNul } from "../../core/bytes.ts";
import { ExitStatus, fail } from "../../core/error.ts";
import { blob, defineStruct, u16 } from "../../core/struct.ts";
import { ioctl } from "../ffi/device-calls.ts";
import { strerror } from "../ffi/libc.ts";
import {
  execv,
  interfaceSocket,
  networkInterfaceNames,
  restoreDefaultSignals,
} from "../ffi/process-calls.ts";
import { closeRead } from "../files/close.ts";

/** In kexec-tools' order. */
const SHUTDOWN_PROGRAMS = ["/sbin/shutdown", "/etc/shutdown", "/bin/shutdown"];
const SHUTDOWN_ARGUMENTS = ["shutdown", "-r", "now"];

export interface ProcessCalls {
  /** Returns minus the error number; does not return on success. */
  execv(path: string, argv: readonly string[]): number;
  restoreDefaultSignals(): void;
}

const processCalls: ProcessCalls = { execv, restoreDefaultSignals };

/**
 * Replaces this program by `shutdown -r now`. The system's shutdown scripts then run `kexec -e`, if
 * they support kexec.
 * @throws KexecError `host.shutdown` where no shutdown program can be run
 */
export function execShutdown(calls: ProcessCalls = processCalls): never {
  calls.restoreDefaultSignals();
  let status = 0;
  for (const program of SHUTDOWN_PROGRAMS) status = calls.execv(program, SHUTDOWN_ARGUMENTS);
  return fail({
    code: "host.shutdown",
    message: `shutdown: ${strerror(-status)}`,
    hint:
      `None of ${SHUTDOWN_PROGRAMS.join(", ")} could be run; the image stays loaded.\n` +
      "kexec -e starts it without shutting down services.",
    exitStatus: ExitStatus.failed,
  });
}

/** struct ifreq, with ifr_flags as the member of its union. [linux include/uapi/linux/if.h] */
const ifreq = defineStruct("ifreq", 40, { ifr_name: blob(0, 16), ifr_flags: u16(16) });

/** [linux include/uapi/linux/sockios.h, if.h] */
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
const NAME_MAX = 15;

export interface InterfaceCalls {
  /** Names of all network interfaces, or minus the error number. */
  names(): readonly string[] | number;
  /** A descriptor for `ioctl`, or minus the error number. */
  socket(): number;
  close(fd: number): void;
  ioctl(fd: number, request: number, argument: Uint8Array): number;
}

const interfaceCalls: InterfaceCalls = {
  names: networkInterfaceNames,
  socket: interfaceSocket,
  close: closeRead,
  ioctl,
};

/**
 * The interfaces to take down, in order: traffic shapers (`shaper0`) before the interfaces that
 * they are attached to; not `lo`, and no aliases (`eth0:1`). [kexec-tools]
 */
export function interfacesToTakeDown(names: readonly string[]): string[] {
  const own = names.filter((name) => name !== "lo" && !name.includes(":"));
  const isShaper = (name: string): boolean => name.startsWith("shaper");
  return [...own.filter(isShaper), ...own.filter((name) => !isShaper(name))];
}

/**
 * Takes network interfaces down, so that no network card writes into the next kernel's memory by
 * DMA. Where one cannot be taken down, the others still are.
 *
 * @returns one line for each failure, with kexec-tools' text
 */
export function takeInterfacesDown(calls: InterfaceCalls = interfaceCalls): string[] {
  const fd = calls.socket();
  if (fd < 0) return [`ifdown: socket: ${strerror(-fd)}`];
  try {
    const names = calls.names();
    if (typeof names === "number") return [`ifdown: if_nameindex: ${strerror(-names)}`];
    return interfacesToTakeDown(names).flatMap((name) => takeDown(fd, name, calls));
  } finally {
    calls.close(fd);
  }
}

function takeDown(fd: number, name: string, calls: InterfaceCalls): string[] {
  const request = new Uint8Array(ifreq.size);
  request.set(Buffer.from(name.slice(0, NAME_MAX), "latin1"));
  const failed = (status: number): string[] => [
    `ifdown: shutdown ${textUntilNul(request.subarray(0, NAME_MAX + 1))}: ${strerror(-status)}`,
  ];
  const asked = calls.ioctl(fd, SIOCGIFFLAGS, request);
  if (asked < 0) return failed(asked);
  const { ifr_flags } = ifreq.read(request);
  if ((ifr_flags & IFF_UP) === 0) return [];
  ifreq.write(request, { ifr_flags: ifr_flags & ~IFF_UP });
  const set = calls.ioctl(fd, SIOCSIFFLAGS, request);
  return set < 0 ? failed(set) : [];
}
