import { expect, test } from "bun:test";
import { withoutSecrets } from "../../scripts/record-facts.ts";

test.each([
  ["console=ttyS0 quiet crashkernel=256M,high", "console=ttyS0 quiet crashkernel=256M,high"],
  ["root=UUID=1234 rd.luks.key=abc ro", "root=x rd.luks.key=x ro"],
  ["systemd.set_credential=a:b=c", "systemd.set_credential=x"],
  ["quiet -- --password hunter2", "quiet -- x"],
  ["--", "-- x"],
  ["", ""],
])("withoutSecrets(%j)", (line, publicLine) => {
  expect(withoutSecrets(line)).toBe(publicLine);
});
