import assert from "node:assert/strict";
import { test } from "node:test";
import type { Asker } from "../../../server/boot/boot-script.ts";
import { parseMac } from "../../../server/lib/mac.ts";
import { openTftp } from "./tftp-scene.ts";

const mac = parseMac("52:54:00:00:00:01");
assert.ok(mac);

/** The head's addresses that a script or a configuration names. */
function addressesIn(text: string | undefined): string[] {
  const found = (text ?? "").matchAll(/(?:https?:\/\/|tftp:\/\/|\((?:tftp|http),)(\[[^\]]+\]|[\d.]+|::1)/g);
  return [...new Set([...found].map((match) => (match[1] ?? "").replaceAll(/[[\]]/g, "")))];
}

const here = { ipv4: ["127.0.0.1"], ipv6: ["::1"] };

test("every loader is told to fetch by the family by which it asked, the same machine by one and then the other", async (t) => {
  const { desk, open } = await openTftp(t);
  const askers = [
    { dialect: "ipxe", via: "http" },
    { dialect: "grub", via: "http" },
    { dialect: "grub", via: "tftp" },
    { dialect: "pxelinux", via: "http" },
    { dialect: "pxelinux", via: "tftp" },
  ] as const;
  for (const asker of askers) {
    for (const family of ["ipv4", "ipv6", "ipv4"] as const) {
      const whole: Asker = { ...asker, family };
      const label = JSON.stringify(whole);
      const script = desk.beginBoot({ mac }, whole);
      assert.match(script, /kernel|linux/i, label);
      assert.deepEqual(addressesIn(script), here[family], label);
      assert.deepEqual(addressesIn(desk.peek({ mac }, whole)), here[family], label);
      assert.deepEqual(
        addressesIn(desk.putOff({ mac }, whole)).filter((ip) => !here[family].includes(ip)),
        [],
      );
    }
  }
  for (const family of ["ipv4", "ipv6"] as const) {
    assert.deepEqual(addressesIn(await open(`boot/52-54-00-00-00-01/loader/grub.cfg`, family)), here[family]);
    assert.deepEqual(addressesIn(await open(`boot/52-54-00-00-00-01/script.grub`, family)), here[family]);
    assert.deepEqual(addressesIn(await open(`pxelinux.cfg/01-52-54-00-00-00-01`, family)), here[family]);
  }
});
