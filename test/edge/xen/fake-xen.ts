/**
 * A fake Xen that behaves as Xen 4.17: it keeps an image of each type, and toggles the type's
 * status bit at each load and unload. It records the calls, and fails as `settings` says.
 */

import { Errno } from "../../../src/edge/ffi/errno.ts";
import { strerror } from "../../../src/edge/ffi/libc.ts";
import type { XenHost } from "../../../src/edge/xen/backend.ts";
import type { XenCalls, XenLoad, XenLoadOutcome } from "../../../src/edge/xen/calls.ts";
import { XenUnavailable } from "../../../src/edge/xen/open.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";

export interface FakeXenSettings {
  /** Error number of each call of a name, in turn; 0 for success, which also follows the last. */
  readonly fails?: Readonly<Record<string, readonly number[]>>;
  readonly loadOutcome?: XenLoadOutcome;
  /** Neither libxenctrl nor the privcmd device can be opened. */
  readonly closed?: boolean;
  readonly readFacts?: (calls: XenCalls, linux: HostFacts) => HostFacts;
}

export interface FakeXen {
  readonly host: XenHost;
  readonly calls: string[];
  readonly loads: XenLoad[];
  /** Types of the images that are loaded, and types whose status bit is set. */
  readonly loaded: Set<number>;
  readonly statusBits: Set<number>;
}

const { ENOENT } = Errno;

export function fakeXen(settings: FakeXenSettings = {}): FakeXen {
  const calls: string[] = [];
  const loads: XenLoad[] = [];
  const loaded = new Set<number>();
  const statusBits = new Set<number>();
  const toggle = (type: number) =>
    statusBits.has(type) ? statusBits.delete(type) : statusBits.add(type);
  const answer = (name: string, words: string): number => {
    const before = calls.filter((call) => call.split(" ")[0] === name).length;
    calls.push(`${name} ${words}`.trim());
    return -(settings.fails?.[name]?.[before] ?? 0);
  };
  const xen: XenCalls = {
    servedBy: "libxenctrl.so.4.17",
    version: () => "4.17.7",
    capabilities: () => "xen-3.0-x86_64",
    machineMemoryMap: () => answer("memory-map", "") || new Uint8Array(0),
    getRange: () => ({ start: 0n, size: 0n }),
    load(load) {
      loads.push(load);
      const status = answer("load", `${load.type}`);
      if (settings.loadOutcome !== undefined) return settings.loadOutcome;
      if (status < 0) return { kind: "refused", errno: -status };
      loaded.add(load.type);
      toggle(load.type);
      return { kind: "loaded" };
    },
    unload(type) {
      const status = answer("unload", `${type}`);
      if (status < 0) return status;
      loaded.delete(type);
      toggle(type);
      return 0;
    },
    status: (type) => answer("status", `${type}`) || Number(statusBits.has(type)),
    exec(type) {
      const status = answer("exec", `${type}`);
      if (status < 0) return status;
      return loaded.has(type) ? 0 : -ENOENT;
    },
    close: () => void calls.push("close"),
  };
  const host: XenHost = {
    open() {
      calls.push("open");
      if (settings.closed) {
        throw new XenUnavailable(
          "cannot open /dev/xen/privcmd: No such file or directory",
          "Try: modprobe xen-privcmd",
          "No such file or directory",
        );
      }
      return { calls: xen, tried: ["libxenctrl.so.4.18: not found"] };
    },
    readFacts: settings.readFacts ?? ((_calls, linux) => linux),
    addressOf: () => 0x7f0000001000n,
    strerror,
  };
  return { host, calls, loads, loaded, statusBits };
}
