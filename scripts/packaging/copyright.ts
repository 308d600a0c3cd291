/** debian/copyright: whose the parts of the executable are. */

import { RUNTIME_PARTS } from "./sbom.ts";

const MIT = ` Permission is hereby granted, free of charge, to any person obtaining a copy
 of this software and associated documentation files (the "Software"), to deal
 in the Software without restriction, including without limitation the rights
 to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
 copies of the Software, and to permit persons to whom the Software is
 furnished to do so, subject to the following conditions:
 .
 The above copyright notice and this permission notice shall be included in all
 copies or substantial portions of the Software.
 .
 THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
 IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
 FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
 AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
 LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
 OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
 SOFTWARE.`;

const GPL = ` This program is free software; you can redistribute it and/or modify it under
 the terms of the GNU General Public License as published by the Free Software
 Foundation; either version 2 of the License, or (at your option) any later
 version.
 .
 On Debian systems, the full text of the GNU General Public License version 2
 can be found in the file /usr/share/common-licenses/GPL-2.`;

/** The file. [debian machine-readable copyright format 1.0] */
export function copyrightText(): string {
  const parts = RUNTIME_PARTS.map(([name, licence]) => ` ${name}: ${licence}`).join("\n");
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: onekexec
Comment:
 The executable contains the Bun runtime, and that links, by its own list of
 licences:
${parts}
 .
 Some of them are under the Apache License 2.0, which goes together with version
 3 of the GNU General Public License and not with version 2: as a whole the
 executable is under the GPL, version 3 or later, which onekexec's own licence
 allows. The LGPL's right to link the executable anew with another version of
 its libraries is kept by onekexec's sources and Bun's.

Files: *
Copyright: 2026 the onekexec authors
License: GPL-2+

Files: usr/sbin/kexec
Copyright: 2026 the onekexec authors
 Oven (Bun)
 Pooya Parsa <pooya@pi0.io> (citty)
 2013 C. Scott Ananian, 2012 Eli Skeggs, 2011 Kevin Kwok (seek-bzip)
 2025 Colin McDonnell (zod)
License: GPL-2+ and MIT

License: GPL-2+
${GPL}

License: MIT
${MIT}
`;
}
