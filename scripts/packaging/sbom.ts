/**
 * The bill of materials: what is in the executable, as SPDX 2.3 in JSON.
 *
 * The libraries that the runtime links are listed as its own LICENSE.md lists them; their versions
 * are the runtime's choice and not known here.
 */

export interface SbomSetup {
  readonly version: string;
  /** `2026-01-31T12:00:00Z` */
  readonly created: string;
  /** SHA-256 of the executable, hexadecimal. */
  readonly sha256: string;
  /** Packages of npm that are compiled in, with their exact versions. */
  readonly dependencies: Readonly<Record<string, string>>;
  readonly runtimeVersion: string;
}

/** Linked into Bun, with their licences in SPDX's words. [bun LICENSE.md] */
export const RUNTIME_PARTS: readonly (readonly [string, string])[] = [
  ["JavaScriptCore", "LGPL-2.0-or-later"],
  ["boringssl", "Apache-2.0 AND ISC AND OpenSSL"],
  ["brotli", "MIT"],
  ["c-ares", "MIT"],
  ["highway", "Apache-2.0"],
  ["libarchive", "BSD-2-Clause"],
  ["libbase64", "BSD-2-Clause"],
  ["libdeflate", "MIT"],
  ["libicu", "Unicode-3.0"],
  ["libjpeg-turbo", "BSD-3-Clause AND IJG AND Zlib"],
  ["libspng", "BSD-2-Clause"],
  ["libwebp", "BSD-3-Clause"],
  ["lol-html", "BSD-3-Clause"],
  ["ls-hpack", "MIT"],
  ["ls-qpack", "MIT"],
  ["lsquic", "MIT AND BSD-3-Clause"],
  ["mimalloc", "MIT"],
  ["picohttpparser", "MIT"],
  ["simdutf", "Apache-2.0"],
  ["tinycc", "LGPL-2.1-or-later"],
  ["uSockets", "Apache-2.0"],
  ["uucode", "MIT"],
  ["uWebSockets", "Apache-2.0"],
  ["zlib-ng", "Zlib"],
  ["zstd", "BSD-3-Clause OR GPL-2.0-only"],
];

const identifier = (name: string): string => `SPDXRef-${name.replaceAll(/[^A-Za-z0-9.-]/g, "-")}`;

interface Part {
  readonly name: string;
  readonly version: string | null;
  readonly licence: string;
  readonly locator?: string;
}

function packageOf({ name, version, licence, locator }: Part) {
  return {
    name,
    SPDXID: identifier(name),
    ...(version === null ? {} : { versionInfo: version }),
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    licenseConcluded: "NOASSERTION",
    licenseDeclared: licence,
    copyrightText: "NOASSERTION",
    ...(locator === undefined
      ? {}
      : {
          externalRefs: [
            {
              referenceCategory: "PACKAGE-MANAGER",
              referenceType: "purl",
              referenceLocator: locator,
            },
          ],
        }),
  };
}

/** The whole document, with a last newline. */
export function sbom(setup: SbomSetup): string {
  const { version, created, sha256, dependencies, runtimeVersion } = setup;
  const libraries = Object.entries(dependencies).map(
    ([name, version]): Part => ({
      name,
      version,
      licence: "MIT",
      locator: `pkg:npm/${name}@${version}`,
    }),
  );
  const runtime: Part = {
    name: "bun",
    version: runtimeVersion,
    licence: "MIT",
    locator: `pkg:npm/bun@${runtimeVersion}`,
  };
  const parts = RUNTIME_PARTS.map(([name, licence]): Part => ({ name, version: null, licence }));
  const own = {
    ...packageOf({ name: "onekexec", version, licence: "GPL-2.0-or-later" }),
    checksums: [{ algorithm: "SHA256", checksumValue: sha256 }],
    primaryPackagePurpose: "APPLICATION",
  };
  const relation = (from: string, relationshipType: string, to: string) => ({
    spdxElementId: from,
    relationshipType,
    relatedSpdxElement: to,
  });
  const root = identifier("onekexec");
  const document = {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `onekexec-${version}`,
    documentNamespace: `urn:onekexec:${version}:${sha256}`,
    creationInfo: { created, creators: ["Tool: onekexec-package"] },
    packages: [own, ...[...libraries, runtime, ...parts].map(packageOf)],
    relationships: [
      relation("SPDXRef-DOCUMENT", "DESCRIBES", root),
      ...[...libraries, runtime].map(({ name }) => relation(root, "CONTAINS", identifier(name))),
      ...parts.map(({ name }) => relation(identifier("bun"), "CONTAINS", identifier(name))),
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
