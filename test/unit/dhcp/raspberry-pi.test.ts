import assert from "node:assert/strict";
import { test } from "node:test";
import { isRaspberryPi } from "../../../server/dhcp/raspberry-pi.ts";
import { Scene, ask, brief, mac } from "../../support/dhcp-scene.ts";
import { option, optionOf } from "../../../server/dhcp/option-table.ts";

const maker = mac("dc:a6:32:01:02:03");
const stranger = mac("52:54:00:01:02:03");
const uuid = Buffer.from("\0RPi4.............", "latin1");

test("a Raspberry Pi is known by its maker, its machine identifier or its own number", () => {
  for (const prefix of ["b8:27:eb", "dc:a6:32", "e4:5f:01", "28:cd:c1", "d8:3a:dd", "2c:cf:67"]) {
    assert.equal(isRaspberryPi(mac(`${prefix}:00:00:01`), [0], undefined), true, prefix);
  }
  assert.equal(isRaspberryPi(stranger, [0], uuid), true);
  assert.equal(isRaspberryPi(stranger, [41], undefined), true);
  assert.equal(isRaspberryPi(stranger, [0], new Uint8Array(17)), false, "a PC");
  assert.equal(isRaspberryPi(stranger, [0], undefined), false);
});

test("a Raspberry Pi with UEFI or U-Boot is as any other machine", () => {
  for (const code of [11, 19, 22]) assert.equal(isRaspberryPi(maker, [code], uuid), false, String(code));
});

test("with addresses of ours: an address, the head's own in siaddr and 66, and the menu that a Pi looks for", () => {
  const options = [
    optionOf(option.vendorClass, "PXEClient:Arch:00000:UNDI:002001"),
    optionOf(option.architectures, [0]),
  ];
  const outcome = new Scene({ raspberryPiDirectory: "/srv/pi" }).send(
    ask("DISCOVER", { mac: maker, options }),
  );
  assert.equal(brief(outcome), "OFFER 10.77.0.200");
  assert.equal(outcome.wire?.siaddr, "10.77.0.1");
  assert.equal(outcome.wire?.file, "");
  assert.match(Buffer.from(outcome.wire?.options.get(43) ?? []).toString("latin1"), /Raspberry Pi Boot/);
  const without = new Scene().send(ask("DISCOVER", { mac: maker, options }));
  assert.deepEqual(
    without.events.map((event) => (event.kind === "refused" ? event.message : event.kind)),
    ["offered", "there is no loader for raspberry-pi firmware"],
  );
});
