import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { EventsAnswer } from "../../server/model/answers.ts";
import { type Uuid, uuidTheOtherWayRound } from "../../server/model/machine-identity.ts";
import { createHeadProcess, type HeadProcess } from "../support/head-process.ts";
import { createRack, type Rack, type RackHost } from "../support/netns.ts";

/**
 * ISC dhclient by IPv6, alone and behind ISC's dhcrelay, and whose machine a real head takes it for. Needs root and
 * Debian's isc-dhcp-client, isc-dhcp-relay and iproute2.
 */
const place = mkdtempSync(join(tmpdir(), "dhcp6-identity-"));
const uuid = "4c4c4544-0042-3510-8054-b7c04f4e3731";

describe("by DHCPv6 a machine is its node", () => {
  let rack: Rack;
  let head: HeadProcess;

  before(async () => {
    rack = await createRack({
      networks: [{ name: "br0", address: "10.77.0.1/24" }, { name: "far" }],
      clients: ["near", { name: "relay", address: "10.77.0.254/24" }, { name: "behind", network: "far" }],
    });
    await rack.exec(rack.head, ["ip", "address", "add", "fd77::1/64", "dev", "br0", "nodad"]);
    head = createHeadProcess(rack, mkdtempSync(join(place, "head-")), { ipv6: { address: "fd77::1" } });
    await head.start();
  });

  after(async () => {
    await head?.stop("SIGKILL");
    await rack?.dispose();
    rmSync(place, { recursive: true, force: true });
  });

  it("by the UUID in its DUID", async () => {
    await add("n001", "--uuid", uuid, "--ip", "10.77.0.11");
    const client = rack.client("near");
    const running = await ask(client, duidOfUuid(uuid));
    assert.deepEqual(await offeredTo("n001"), { mac: client.mac, uuid, ip: "fd77::1:5254:77:1" });
    await running.stop();
  });

  it("by the port of the relay that it is behind; and by two that disagree it is nobody, as why says", async () => {
    await startRelay(rack);
    const client = rack.client("behind");
    const first = await ask(client, duidOfUuid("4c4c4544-0042-3510-8054-b7c04f4e3739"));
    const port = await until("a stranger's relay port", async () => {
      const { stdout } = await head.provision("list-discovered", "--json");
      return /"relayPort":\s*"(?<port>fd77::fe\/[^"]+)"/.exec(stdout)?.groups?.["port"];
    });
    await first.stop();
    await add("n002", "--relay-port", port, "--ip", "10.77.0.12");
    const second = await ask(client, duidOfUuid("4c4c4544-0042-3510-8054-b7c04f4e3739"));
    assert.equal((await offeredTo("n002"))["mac"], client.mac);
    await second.stop();
    const third = await ask(client, duidOfUuid(uuid));
    const said = `UUID ${uuid} is n001's, switch port ${port} is n002's`;
    await until("why says so", async () => {
      const { stdout } = await head.provision("why", "n002");
      return stdout.includes(said) ? stdout : undefined;
    });
    await third.stop();
  });

  async function add(name: string, ...words: string[]): Promise<void> {
    const { exitCode, stderr } = await head.provision("add-node", name, ...words);
    assert.equal(exitCode, 0, stderr);
  }

  /** A DUID is remembered with the leases, which is where dhclient takes one from. */
  async function ask(host: RackHost, duid: string): Promise<{ stop: () => Promise<void> }> {
    await hasItsAddress(rack, host);
    const folder = mkdtempSync(join(place, "dhclient-"));
    writeFileSync(join(folder, "leases"), `default-duid "${duid}";\n`);
    writeFileSync(
      join(folder, "conf"),
      `option dhcp6.boot-class code 16 = string;\nsend dhcp6.boot-class ${pxeClient};\n`,
    );
    const files = ["-lf", join(folder, "leases"), "-pf", join(folder, "pid"), "-cf", join(folder, "conf")];
    const client = rack.spawn(host, ["dhclient", "-6", "-d", "-sf", "/bin/true", ...files, "eth0"]);
    const stop = async (): Promise<void> => {
      client.kill("SIGTERM");
      await client;
    };
    return { stop };
  }

  async function offeredTo(node: string): Promise<Record<string, unknown>> {
    return await until(`${node} is offered an address`, async () => {
      const { events } = JSON.parse((await head.provision("events", node, "--json")).stdout) as EventsAnswer;
      const event = events.findLast(({ kind }) => kind === "offered");
      if (event?.kind !== "offered") return undefined;
      return { mac: event.mac, ip: event.ip, ...(event.uuid === undefined ? {} : { uuid: event.uuid }) };
    });
  }
});

/** Option 16 as firmware has it, or its address would be no part of a boot: enterprise 343, one class. */
const pxeClient = (
  Buffer.from("\0\0\u0001\u0057\0\tPXEClient", "latin1").toString("hex").match(/../g) ?? []
).join(":");

/** As dhclient's lease file has bytes: octal. As EDK2 writes a DUID of type 4: SMBIOS's own bytes. */
function duidOfUuid(text: string): string {
  const bytes = Buffer.from(`0004${uuidTheOtherWayRound(text as Uuid).replaceAll("-", "")}`, "hex");
  return [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}

/** Its near port is `eth0` on the head's switch, its far one `eth1` on the client's, with an address of the network there. */
async function startRelay(rack: Rack): Promise<void> {
  const relay = rack.client("relay");
  const port = ["name", "eth1", "netns", relay.namespace];
  await rack.exec(rack.head, ["ip", "link", "add", "farrelay", "type", "veth", "peer", ...port]);
  await rack.exec(rack.head, ["ip", "link", "set", "farrelay", "master", "far", "up"]);
  await rack.exec(relay, ["ip", "address", "add", "fd77::fe/64", "dev", "eth1", "nodad"]);
  await rack.exec(relay, ["ip", "link", "set", "eth1", "up"]);
  const { stdout } = await rack.exec(rack.head, ["ip", "-6", "-br", "address", "show", "dev", "br0"]);
  const local = /fe80::[0-9a-f:]+/.exec(stdout)?.[0] ?? "";
  await hasItsAddress(rack, relay);
  rack.spawn(relay, ["dhcrelay", "-6", "-d", "--no-pid", "-I", "-l", "eth1", "-u", `${local}%eth0`]);
}

/** A link-local address cannot be used before nobody else is known to have it. */
async function hasItsAddress(rack: Rack, host: RackHost): Promise<void> {
  await until("its addresses are its own", async () => {
    const { stdout } = await rack.exec(host, ["ip", "-6", "address", "show", "tentative"]);
    return stdout === "" ? true : undefined;
  });
}

async function until<T>(what: string, ask: () => Promise<T | undefined>, seconds = 25): Promise<T> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await delay(100)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}
