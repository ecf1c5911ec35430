import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventAnswer } from "../../server/model/answers.ts";
import { eventsUntil, startFirmwareMachine } from "../support/firmware-machine.ts";
import { createHeadProcess } from "../support/head-process.ts";
import { createRack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const mac = "52:54:00:77:00:42";
const byHttp = "52:54:00:77:00:43";

test(
  "UEFI takes GRUB from the network, which waits for a machine that nobody knows, and boots it once it is a node; by HTTP Boot all goes by HTTP",
  { timeout: 300_000 },
  async (t) => {
    const directory = temporaryDirectory(t);
    const rack = await createRack({ clients: [] });
    t.after(rack.dispose);
    const head = createHeadProcess(rack, directory, {
      loader: "grub",
      loaderDirectory: "/usr/lib/ipxe",
      imageStore: "/var/lib/provision/images",
    });
    t.after(() => head.stop("SIGKILL"));
    await head.start();
    const { head: host } = rack;
    const known = await head.provision("add-node", "n002", "--mac", byHttp);
    assert.equal(known.exitCode, 0, known.stderr);
    const machine = { host, bridge: host.device, directory, memoryMebibytes: 640 };
    await startFirmwareMachine(rack, { ...machine, mac, boots: "pxe" });
    await startFirmwareMachine(rack, { ...machine, mac: byHttp, boots: "http" });
    const print = (event: EventAnswer): string => {
      const who = event.mac === byHttp ? "n002" : "n001";
      if (event.kind === "script") return `${who} script ${event.known ? "known" : "unknown"}`;
      return "via" in event ? `${who} ${event.kind} ${event.via}` : `${who} ${event.kind}`;
    };
    await eventsUntil(head, "n001 script unknown", print, 90);
    const added = await head.provision("add-node", "n001", "--from-discovered", mac);
    assert.equal(added.exitCode, 0, added.stderr);
    await eventsUntil(head, "n002 starting", print, 120);
    const seen = new Set(await eventsUntil(head, "n001 starting", print, 120));
    const of = (node: string): string[] => {
      const own = [...seen].filter((text) => text.startsWith(node) && !text.endsWith("offered"));
      return own.slice(0, own.indexOf(`${node} starting`) + 1);
    };
    const files = (node: string, via: string): string[] =>
      ["kernel", "initrd", "overlay"].map((file) => `${node} ${file} ${via}`);
    const wanted = ["n001 loader tftp", "n001 script unknown", "n001 script known", ...files("n001", "tftp")];
    assert.deepEqual(of("n001"), [...wanted, "n001 starting"]);
    // By HTTP GRUB takes the initrd and the overlay at once; which of them is whole first is not told.
    const byHttpWanted = ["n002 loader http", "n002 script known", ...files("n002", "http"), "n002 starting"];
    assert.deepEqual(of("n002").toSorted(), byHttpWanted.toSorted());
  },
);
