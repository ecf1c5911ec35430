import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventAnswer } from "../../server/model/answers.ts";
import { eventsUntil, startFirmwareMachine } from "../support/firmware-machine.ts";
import { foreignServer, startDnsmasq } from "../support/foreign-dhcp.ts";
import { createHeadProcess } from "../support/head-process.ts";
import { createRack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const mac = "52:54:00:77:00:42";

test(
  "UEFI HTTP Boot beside dnsmasq: EDK2 takes the address of one and the URL of the other, up to the boot script",
  { timeout: 240_000 },
  async (t) => {
    const directory = temporaryDirectory(t);
    const rack = await createRack({ clients: [{ name: "router", address: `${foreignServer}/24` }] });
    t.after(rack.dispose);
    const head = createHeadProcess(rack, directory, {
      dhcpMode: "proxy",
      loaderDirectory: "/usr/lib/ipxe",
    });
    t.after(() => head.stop("SIGKILL"));
    await head.start();
    await startDnsmasq((argv) => rack.spawn(rack.client("router"), argv), {});
    const { head: host } = rack;
    const machine = { mac, host, bridge: host.device, directory, memoryMebibytes: 512 };
    await startFirmwareMachine(rack, { ...machine, boots: "http" });
    const print = (event: EventAnswer): string => {
      if (event.kind === "loader") return `loader ${event.file} ${event.via}`;
      if (event.kind !== "offered") return event.kind;
      const by = event.server === undefined ? "told" : `addressed by ${event.server}`;
      return `${by} ${event.client} ${event.firmware}`;
    };
    const seen = await eventsUntil(head, "script", print, 200);
    assert.deepEqual([...new Set(seen)].slice(0, 6), [
      "told firmware uefi-x64-http",
      `addressed by ${foreignServer} firmware uefi-x64-http`,
      "loader snponly.efi http",
      "told ipxe uefi-x64",
      `addressed by ${foreignServer} ipxe uefi-x64`,
      "script",
    ]);
  },
);
