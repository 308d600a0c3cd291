/**
 * The packages: the same bytes each time, what lintian says, and a Debian in which onekexec takes
 * the place of kexec-tools and gives it back. Nothing here calls kexec but to ask its version.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makePackages, type Packages } from "../../scripts/package.ts";
import { OPTIONS } from "../../src/cli/options.ts";
import { bind, copyGuest, type GuestCopy, mustRun, run, unmountAll } from "./guest-copy.ts";
import { madePackages } from "./made-packages.ts";
import { expectInDracutImage } from "./replacement.ts";

const MINUTES_10 = 600_000;
const work = mkdtempSync(join(tmpdir(), "onekexec-package-test-"));
const unpacked = join(work, "unpacked");
let packages: Packages;

beforeAll(() => {
  packages = madePackages();
  mustRun("dpkg-deb", "-x", packages.deb, unpacked);
}, MINUTES_10);

afterAll(() => {
  unmountAll();
  rmSync(work, { recursive: true, force: true, maxRetries: 3 });
});

test(
  "the same sources give the same bytes, whoever makes them where",
  () => {
    const folder = join(work, "again");
    mkdirSync(folder);
    const before = process.umask(0o077);
    try {
      const again = makePackages(folder, true);
      for (const kind of ["deb", "tarball", "sbom"] as const) {
        const same = Buffer.compare(readFileSync(packages[kind]), readFileSync(again[kind]));
        expect({ kind, same }).toEqual({ kind, same: 0 });
      }
    } finally {
      process.umask(before);
    }
  },
  MINUTES_10,
);

test(
  "lintian finds no error and no warning",
  () => {
    // --quick does not compress, which a real package does.
    const quick = "uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball";
    const { status, output } = run("lintian", "--suppress-tags", quick, packages.deb);
    expect({ status, output: output.replace(/^running with root.*\n/m, "") }).toEqual({
      status: 0,
      output: "",
    });
  },
  MINUTES_10,
);

test("the tarball has what the package has, but for init scripts and what is Debian's own", () => {
  const listed = (output: string) =>
    output
      .split("\n")
      .map((line) => line.replace(/^\.?\/?/, "/").replace(/ -> .*/, ""))
      .filter((path) => !path.endsWith("/"))
      .sort();
  const inTarball = listed(mustRun("tar", "-tf", packages.tarball));
  const inDeb = listed(
    mustRun("bash", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -t', "list", packages.deb),
  );
  const debian = ["/usr/share/doc/onekexec/changelog.gz", "/usr/share/lintian/overrides/onekexec"];
  const examples = ["/usr/share/onekexec/init.d/kexec", "/usr/share/onekexec/init.d/kexec-load"];
  const scripts = ["/etc/init.d/kexec", "/etc/init.d/kexec-load"];
  expect(inTarball).toEqual(expect.arrayContaining(examples));
  const common = inTarball.filter((path) => !examples.includes(path));
  expect(inDeb).toEqual([...common, ...scripts, ...debian].sort());
});

describe("what is installed", () => {
  test("the manual pages are without a fault", () => {
    for (const name of ["kexec", "vmcore-dmesg", "coldreboot", "kexec-load-kernel"]) {
      const page = join(work, `${name}.8`);
      const packed = join(unpacked, `usr/share/man/man8/${name}.8.gz`);
      writeFileSync(page, Bun.gunzipSync(new Uint8Array(readFileSync(packed))));
      expect(run("mandoc", "-T", "lint", "-W", "warning", page)).toEqual({ status: 0, output: "" });
      // Bold is a letter over itself.
      const text = mustRun("mandoc", "-T", "ascii", page).replaceAll(/.[\b]/g, "");
      expect(text).toContain("SEE ALSO");
    }
  });

  test("bash completes options, types and files", () => {
    const script = join(unpacked, "usr/share/bash-completion/completions/kexec");
    const complete = (...words: string[]) =>
      mustRun(
        "bash",
        "-c",
        `. /usr/share/bash-completion/bash_completion; . "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=\${#COMP_LINE}
        compopt() { :; }; _kexec; printf '%s\\n' "\${COMPREPLY[@]}"`,
        "complete",
        script,
        ...words,
      )
        .trim()
        .split("\n");
    expect(complete("kexec", "--load-")).toEqual([
      "--load-preserve-context",
      "--load-jump-back-helper",
      "--load-live-update",
      "--load-panic",
    ]);
    expect(complete("kexec", "--type", "bzImage6")).toEqual(["bzImage64"]);
    expect(complete("kexec", "--initrd", "/etc/host")).toContain("/etc/hosts");
    const all = complete("kexec", "-");
    for (const { name } of OPTIONS)
      expect(all.map((w) => w.replace(/=$/, ""))).toContain(`--${name}`);
  });

  test("zsh and fish take their completions", () => {
    const zsh = join(unpacked, "usr/share/zsh/vendor-completions/_kexec");
    expect(run("zsh", "-n", zsh)).toEqual({ status: 0, output: "" });
    const fish = join(unpacked, "usr/share/fish/vendor_completions.d/kexec.fish");
    const asked = mustRun("fish", "-c", `source ${fish}; complete -C 'kexec --load-p'`);
    expect(asked.split("\n").map((line) => line.split("\t")[0])).toContain("--load-panic");
  });

  test("the scripts are well-formed", () => {
    const scripts = [
      "etc/init.d/kexec",
      "etc/init.d/kexec-load",
      "usr/sbin/coldreboot",
      "usr/sbin/kexec-load-kernel",
      "usr/share/initramfs-tools/hooks/kexec",
    ];
    for (const path of scripts) {
      expect(run("dash", "-n", join(unpacked, path))).toEqual({ status: 0, output: "" });
    }
    const dracut = join(unpacked, "usr/lib/dracut/modules.d/99kexec/module-setup.sh");
    expect(run("bash", "-n", dracut)).toEqual({ status: 0, output: "" });
  });
});

const guestCopy = (name: string): GuestCopy => copyGuest(join(work, name), packages.deb);

/** QEMU's core2duo and Nehalem without one flag: flags of the CPU, and what dpkg prints. */
const OLD_CPUS = [
  ["fpu sse2 ssse3 cx16", "onekexec does not run on this CPU"],
  ["fpu sse2 ssse3 cx16 sse4_1 sse4_2", "onekexec does not run on this CPU"],
  ["fpu sse2 ssse3 cx16 sse4_1 popcnt", "keep kexec-tools"],
] as const;

describe("the init scripts know whether the CPU runs kexec", () => {
  test.each([
    ["fpu sse2 ssse3 cx16 sse4_1 sse4_2 popcnt aes", 0],
    ["fpu sse2 ssse3 cx16", 1],
    ["fpu sse4_1 sse4_2 avx", 1],
    ["", 1],
  ])("%s", (flags, status) => {
    const cpuinfo = join(work, "cpuinfo");
    writeFileSync(cpuinfo, `processor\t: 0\nflags\t\t: ${flags}\n`);
    const script =
      'mount --bind "$1" /proc/cpuinfo; eval "$(sed -n "/^cpu_runs_kexec()/,/^}/p" "$2")"; ' +
      "cpu_runs_kexec";
    for (const name of ["kexec", "kexec-load"]) {
      const path = join(unpacked, "etc/init.d", name);
      expect(run("unshare", "--mount", "sh", "-c", script, "sh", cpuinfo, path).status).toBe(
        status,
      );
    }
  });
});

const MAKE_DEPENDENT = `mkdir -p /dependent/DEBIAN
printf '%s\\n' 'Package: dependent' 'Version: 1' 'Architecture: all' \\
  'Maintainer: a <a@b.invalid>' \\
  'Depends: kexec-tools (>= 1:2.0.25)' 'Description: d' >/dependent/DEBIAN/control
dpkg-deb --build /dependent /dependent.deb`;

/** What dpkg says of our package in the guest at `root`, on the CPU of its `/cpuinfo`. */
function installOnCpu(root: string): string {
  const script = [
    `mount --bind "$0/cpuinfo" "$0/proc/cpuinfo"`,
    `chroot "$0" env -i PATH=/usr/sbin:/usr/bin LC_ALL=C dpkg -i /onekexec.deb 2>&1 || :`,
  ];
  return mustRun("unshare", "--mount", "sh", "-c", script.join(" && "), root);
}

test(
  "in a Debian: takes the place of kexec-tools, is upgraded, goes, and gives it back",
  () => {
    const { root, inside, status } = guestCopy("debian");
    const links = () => inside("sh", "-c", "ls /etc/rc6.d").match(/K\d+kexec(-load)?$/gm);
    expect(inside("kexec", "-v")).toBe("kexec-tools 2.0.25\n");
    writeFileSync(join(root, "etc/default/kexec"), "LOAD_KEXEC=false # mine\n");

    for (const [flags, says] of OLD_CPUS) {
      writeFileSync(join(root, "cpuinfo"), `processor\t: 0\nflags\t\t: ${flags}\n`);
      expect(installOnCpu(root)).toContain(says);
      expect(status("kexec-tools")).toBe("installed");
      expect(inside("kexec", "-v")).toBe("kexec-tools 2.0.25\n");
      expect(inside("dpkg-divert", "--list", "/sbin/*kexec*")).toBe("");
    }

    inside("dpkg", "-i", "/onekexec.deb");
    expect(status("onekexec")).toBe("installed");
    expect(status("kexec-tools")).toBe("config-files");
    expect(inside("/sbin/kexec", "-v")).toContain("(onekexec ");
    expect(readlinkSync(join(root, "usr/sbin/vmcore-dmesg"))).toBe("kexec");
    expect(readFileSync(join(root, "etc/default/kexec"), "utf8")).toBe("LOAD_KEXEC=false # mine\n");
    expect(statSync(join(root, "etc/init.d/kexec-load")).mode & 0o777).toBe(0o755);
    expect(readFileSync(join(root, "etc/init.d/kexec"), "utf8")).toContain(
      "Start the loaded kernel",
    );
    expect(links()).toHaveLength(2);
    expect(inside("dpkg", "--verify", "onekexec")).toBe("");
    inside("sh", "-c", MAKE_DEPENDENT);
    inside("dpkg", "-i", "/dependent.deb");
    inside("dpkg", "-P", "dependent");

    inside("dpkg", "-i", "/onekexec.deb");
    expect(status("onekexec")).toBe("installed");

    inside("dpkg", "-r", "onekexec");
    expect(existsSync(join(root, "usr/sbin/kexec"))).toBe(false);
    // Scripts without the bit would stay so for the kexec-tools that comes next.
    expect(statSync(join(root, "etc/init.d/kexec-load")).mode & 0o777).toBe(0o755);
    inside("dpkg", "-i", "/kexec-tools.deb");
    expect(status("kexec-tools")).toBe("installed");
    expect(inside("kexec", "-v")).toBe("kexec-tools 2.0.25\n");
    inside("dpkg", "-P", "onekexec");
    expect(inside("kexec", "-v")).toBe("kexec-tools 2.0.25\n");
    expect(existsSync(join(root, "etc/default/kexec"))).toBe(true);
    expect(links()).toHaveLength(2);

    inside("dpkg", "-i", "/onekexec.deb");
    inside("dpkg", "-P", "kexec-tools");
    expect(inside("/sbin/kexec", "-v")).toContain("(onekexec ");
    inside("dpkg-reconfigure", "onekexec");
    expect(links()).toHaveLength(2);
    expect(existsSync(join(root, "etc/default/kexec"))).toBe(true);
    inside("dpkg", "-P", "onekexec");
    for (const path of ["usr/sbin/kexec", "etc/init.d/kexec", "etc/default/kexec"]) {
      expect({ path, there: existsSync(join(root, path)) }).toEqual({ path, there: false });
    }
    inside("dpkg", "-i", "/kexec-tools.deb");
    expect(inside("kexec", "-v")).toBe("kexec-tools 2.0.25\n");
  },
  MINUTES_10,
);

/** This machine's, which is of the guest's release: dracut strips where there is one. */
function addStrip(root: string): void {
  const strip = Bun.which("strip") ?? "";
  const libraries = mustRun("ldd", strip).matchAll(/(\/\S+) \(0x/g);
  for (const path of [strip, ...[...libraries].map(([, library = ""]) => library)]) {
    const place = join(root, path);
    if (!existsSync(place)) copyFileSync(path, place);
  }
}

test(
  "in rescue images: initramfs-tools' hook where it is asked for, dracut's module",
  () => {
    const guest = guestCopy("rescue");
    const { root, inside } = guest;
    inside("dpkg", "-i", "/onekexec.deb");
    const hook = "/usr/share/initramfs-tools/hooks/kexec";
    // mkinitramfs makes these, and calls the hooks with these variables.
    const make = (folder: string) =>
      inside(
        "sh",
        "-c",
        `for d in bin lib lib64 sbin; do mkdir -p ${folder}/usr/$d; ln -s usr/$d ${folder}/$d; done
        verbose=n DESTDIR=${folder} ${hook}`,
      );
    make("/without");
    expect(existsSync(join(root, "without/usr/sbin/kexec"))).toBe(false);
    writeFileSync(join(root, "etc/default/kexec"), "KEXEC_IN_INITRAMFS=true\n");
    make("/with");
    bind("/proc", join(root, "with/proc"));
    expect(mustRun("chroot", join(root, "with"), "/sbin/kexec", "-v")).toContain("(onekexec ");

    addStrip(root);
    expectInDracutImage(guest);
  },
  MINUTES_10,
);

/** In the place of kexec and of sysvinit's programs: they write down how they were called. */
const STAND_INS = `cat >/tmp/recorder <<'END'
#!/bin/sh
printf '%s|' "$@" >>/tmp/calls
END
chmod 755 /tmp/recorder
for program in kexec reboot; do rm -f /sbin/$program; cp /tmp/recorder /sbin/$program; done
rm -f /sbin/runlevel; printf '#!/bin/sh\\necho 2 6\\n' >/sbin/runlevel; chmod 755 /sbin/runlevel
mkdir -p /sys/kernel /boot/grub; echo 0 >/sys/kernel/kexec_loaded; rm -rf /run/systemd`;

const GRUB = `set default="1"
menuentry 'First' --class a $menuentry_id_option 'first-id' {
	linux /boot/k1 root=/dev/a
	initrd /boot/i1
}
submenu 'More' {
	menuentry 'Second' {
		linux	/boot/k2 root=/dev/b ro quiet
		initrd	/boot/i2
	}
	menuentry 'Third' {
		linux /boot/k3
	}
}
`;

test(
  "the init scripts call kexec as kexec-tools' do",
  () => {
    const { root, inside } = guestCopy("init");
    inside("dpkg", "-i", "/onekexec.deb");
    inside("sh", "-c", STAND_INS);
    const write = (path: string, text: string) => writeFileSync(join(root, path), text);
    const calls = (command: string) =>
      inside("sh", "-c", `: >/tmp/calls; ${command} >/dev/null; cat /tmp/calls`);
    const load = () => calls("/etc/init.d/kexec-load stop");
    const grub = (entry: string) => {
      write("boot/grub/grub.cfg", GRUB.replace('"1"', `"${entry}"`));
      return load();
    };
    const files = "KERNEL_IMAGE=/vmlinuz\nINITRD=/initrd.img\n";
    const on = `LOAD_KEXEC=true\n${files}APPEND="root=/dev/vda ro"\n`;
    const loaded = "-l|/vmlinuz|--initrd=/initrd.img|--append=root=/dev/vda ro|";

    write("etc/default/kexec", on.replace("true", "false"));
    expect(load()).toBe("");
    write("etc/default/kexec", on);
    expect(load()).toBe(loaded);
    expect(calls("/etc/init.d/kexec-load start")).toBe("");
    expect(calls("/etc/init.d/kexec stop")).toBe("");
    expect(calls("coldreboot -f")).toBe("-f|");
    expect(load()).toBe("");
    expect(load()).toBe(loaded);
    write("etc/default/kexec", on.replace("INITRD=/initrd.img", "INITRD="));
    expect(load()).toBe("-l|/vmlinuz|--append=root=/dev/vda ro|");

    write("etc/default/kexec", `${on}USE_GRUB_CONFIG=true\n`);
    const second = "-l|/boot/k2|--initrd=/boot/i2|--append=root=/dev/b ro quiet|";
    expect(grub("1")).toBe(second);
    expect(grub("first-id")).toBe("-l|/boot/k1|--initrd=/boot/i1|--append=root=/dev/a|");
    expect(grub("More>Second")).toBe(second);
    expect(grub("Third")).toMatch(/^-l\|\/boot\/k3\|--append=[^|]+\|$/);
    write("boot/grub/grubenv", "# GRUB Environment Block\nsaved_entry=Second\n");
    expect(grub("$" + "{saved_entry}")).toBe(second);

    write("sys/kernel/kexec_loaded", "1\n");
    expect(load()).toBe("");
    expect(calls("/etc/init.d/kexec stop")).toBe("-e|");
    expect(calls("/etc/init.d/kexec start")).toBe("");
  },
  MINUTES_10,
);
