import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventAnswer } from "../../server/model/answers.ts";
import { eventsUntil, startFirmwareMachine } from "../support/firmware-machine.ts";
import { createHeadProcess } from "../support/head-process.ts";
import { createRack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const mac = "52:54:00:77:00:41";

test(
  "BIOS with a plain PXE ROM is given undionly.kpxe by TFTP, which asks again and is given a script",
  { timeout: 180_000 },
  async (t) => {
    const directory = temporaryDirectory(t);
    const rack = await createRack({ clients: [] });
    t.after(rack.dispose);
    const head = createHeadProcess(rack, directory, { loaderDirectory: "/usr/lib/ipxe" });
    t.after(() => head.stop("SIGKILL"));
    await head.start();
    const { head: host } = rack;
    const machine = { mac, host, bridge: host.device, directory, memoryMebibytes: 256 };
    await startFirmwareMachine(rack, { ...machine, boots: "bios" });
    const print = (event: EventAnswer): string => {
      if (event.kind === "offered") return `offered ${event.client} ${event.firmware}`;
      if (event.kind === "loader") return `loader ${event.file} ${event.via}`;
      return event.kind;
    };
    const seen = await eventsUntil(head, "script", print, 150);
    assert.deepEqual(
      [...new Set(seen)],
      ["offered firmware bios", "loader undionly.kpxe tftp", "offered ipxe bios", "script"],
    );
  },
);
