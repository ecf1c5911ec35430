import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { decode } from "../../server/dhcp/decode.ts";
import { option } from "../../server/dhcp/option-table.ts";
import type { EventsAnswer, StatusAnswer, WhyAnswer } from "../../server/model/answers.ts";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { read } from "../support/dhcp-scene.ts";
import { foreignServer as foreign, startDnsmasq } from "../support/foreign-dhcp.ts";
import { createHeadProcess, type HeadProcess } from "../support/head-process.ts";
import { createRack, type Rack } from "../support/netns.ts";
import { type Datagram, readDatagrams } from "../support/pcap.ts";
import type { PxeClientArguments, PxeClientResult } from "../support/pxe-client-driver.ts";

/**
 * Our head beside dnsmasq, which gives out the addresses of 10.77.0.100 to .150 and knows nothing of booting. Needs root
 * and Debian's dnsmasq-base, isc-dhcp-client, tcpdump, curl and iproute2.
 */
const head = "10.77.0.1";
const support = join(import.meta.dirname, "../support");

/** Captures what the head sends of DHCP; stop it to have it. */
async function captureReplies(rack: Rack): Promise<() => Promise<Datagram[]>> {
  const filter = `udp and src host ${head} and (src port 67 or src port 4011)`;
  const argv = ["tcpdump", "-n", "-U", "--immediate-mode", "-i", rack.head.device, "-w", "-", filter];
  const child = rack.spawn(rack.head, argv, { encoding: "buffer" });
  const listening = new Promise<void>((resolve) => {
    child.stderr?.on("data", (text) => String(text).includes("listening on") && resolve());
  });
  await Promise.race([listening, child]);
  return async () => {
    await delay(200); // what the head has sent is to reach tcpdump
    child.kill("SIGINT");
    return readDatagrams(Buffer.from((await child).stdout as unknown as Uint8Array));
  };
}

describe("beside dnsmasq", () => {
  const directory = mkdtempSync(join(tmpdir(), "proxy-"));
  const piFiles = join(directory, "pi");
  let rack: Rack;
  let provision: HeadProcess["provision"];
  let stop: HeadProcess["stop"];

  before(
    async () => {
      const names = ["bios", "uefi", "http", "ipxe", "plain", "dhclient", "noise"];
      const clients = [
        { name: "router", address: `${foreign}/24` },
        { name: "pi", mac: "dc:a6:32:00:00:01" },
        ...names.map((name) => ({ name })),
      ];
      mkdirSync(join(piFiles, "9f7a3c1e"), { recursive: true });
      writeFileSync(join(piFiles, "bootcode.bin"), "for every Pi");
      writeFileSync(join(piFiles, "9f7a3c1e", "start4.elf"), "for one Pi");
      rack = await createRack({ clients });
      const process = createHeadProcess(rack, directory, {
        dhcpMode: "proxy",
        raspberryPiDirectory: piFiles,
      });
      ({ provision, stop } = process);
      await Promise.all([
        process.start(),
        startDnsmasq((argv) => rack.spawn(rack.client("router"), argv), {
          [rack.client("uefi").mac]: "10.77.0.111",
        }),
      ]);
      const added = await provision(
        "add-node",
        "n001",
        "--mac",
        rack.client("uefi").mac,
        "--ip",
        "10.77.0.11",
      );
      assert.equal(added.exitCode, 0, added.stderr);
    },
    { timeout: 90_000 },
  );

  after(async () => {
    await stop("SIGKILL");
    await rack.dispose();
    rmSync(directory, { recursive: true, force: true });
  });

  async function boot(name: string, given: Omit<PxeClientArguments, "mac">): Promise<PxeClientResult> {
    const host = rack.client(name);
    const words = JSON.stringify({ ...given, mac: host.mac });
    const driver = join(support, "pxe-client-driver.ts");
    const { stdout } = await rack.exec(host, [process.execPath, driver, words]);
    return JSON.parse(stdout) as PxeClientResult;
  }

  function assertShared(result: PxeClientResult): void {
    assert.match(result.address, /^10\.77\.0\.1[0-5]\d$/);
    assert.equal(result.addressServer, foreign);
    assert.equal(result.bootServer, head);
    const servers = new Map(result.offers.map(({ server, address }) => [server, address]));
    assert.deepEqual(servers.get(head), "0.0.0.0");
    assert.equal(servers.size, 2);
  }

  const path = (name: string): string => rack.client(name).mac.replaceAll(":", "-");

  it("BIOS: address of dnsmasq, loader of the head, which it fetches", async () => {
    const result = await boot("bios", { vendorClass: "PXEClient:Arch:00000:UNDI:002001", architecture: 0 });
    assertShared(result);
    assert.deepEqual(
      [result.bootFile, result.asked4011],
      [`boot/${path("bios")}/loader/undionly.kpxe`, false],
    );
    const url = `tftp://${head}/${result.bootFile}`;
    const { stdout } = await rack.exec(rack.client("bios"), ["sh", "-c", `curl -sSf ${url} | wc -c`]);
    assert.equal(Number(stdout), "undionly.kpxe".length * 5000);
  });

  it("UEFI: the same, by asking port 4011; the address that it took is not the inventory's, and why says so", async () => {
    const result = await boot("uefi", { vendorClass: "PXEClient:Arch:00007:UNDI:003016", architecture: 7 });
    assertShared(result);
    assert.deepEqual([result.bootFile, result.asked4011], [`boot/${path("uefi")}/loader/snponly.efi`, true]);
    assert.equal(result.address, "10.77.0.111", "which dnsmasq reserves");
    const { events } = JSON.parse((await provision("events", "n001", "--json")).stdout) as EventsAnswer;
    const texts = events.map(({ text }) => text);
    assert.ok(texts.includes(`firmware (uefi-x64) was offered ${result.bootFile}`), texts.join("\n"));
    assert.ok(
      texts.includes(`firmware (uefi-x64) takes 10.77.0.111 of the DHCP server ${foreign}`),
      texts.join("\n"),
    );
    const why = JSON.parse((await provision("why", "n001", "--json")).stdout) as WhyAnswer;
    assert.match(why.findings.join("\n"), /gave it 10\.77\.0\.111, and the inventory has 10\.77\.0\.11:/);
  });

  it("UEFI HTTP Boot: the loader's URL in the offer", async () => {
    const result = await boot("http", { vendorClass: "HTTPClient:Arch:00016:UNDI:003016", architecture: 16 });
    assertShared(result);
    assert.equal(result.bootFile, `http://${head}:8080/boot/${path("http")}/loader/snponly.efi`);
  });

  it("iPXE: its script, which tells an unknown machine to wait; it is added with the address it was seen to have", async () => {
    const vendorClass = "PXEClient:Arch:00007:UNDI:003010";
    const result = await boot("ipxe", { vendorClass, architecture: 7, userClass: "iPXE", features: [19] });
    assertShared(result);
    assert.equal(result.bootFile, `http://${head}:8080/boot/${path("ipxe")}/script.ipxe`);
    const { stdout } = await rack.exec(rack.client("ipxe"), ["curl", "-sSf", result.bootFile]);
    assert.match(stdout, /^#!ipxe/);
    const added = await provision("add-node", "n002", "--from-discovered", rack.client("ipxe").mac, "--json");
    assert.equal(added.exitCode, 0, added.stderr);
    const shown = await provision("list-nodes", "n002", "--json");
    assert.ok(shown.stdout.includes(result.address), shown.stdout);
  });

  it("a Raspberry Pi: told that it is meant, it finds its own files and everybody's, and no others", async () => {
    const result = await boot("pi", { vendorClass: "PXEClient:Arch:00000:UNDI:002001", architecture: 0 });
    assertShared(result);
    assert.deepEqual([result.bootFile, result.asked4011], ["", false]);
    const fetched = async (path: string): Promise<string> => {
      const argv = ["curl", "-sSf", "--path-as-is", `tftp://${head}/${path}`];
      const { stdout, stderr, exitCode } = await rack.exec(rack.client("pi"), argv, { reject: false });
      return exitCode === 0 ? stdout : `failed: ${stderr}`;
    };
    assert.equal(await fetched("9f7a3c1e/start4.elf"), "for one Pi");
    assert.equal(await fetched("bootcode.bin"), "for every Pi");
    // curl's 68: not found. A Pi then looks for the file without the directory, as its documentation has it.
    assert.match(await fetched("00000000/start4.elf"), /^failed: curl: \(68\)/);
    assert.match(await fetched("9f7a3c1e/../../provision.yaml"), /^failed: /);
  });

  it("dhclient: as a running system it hears dnsmasq only; with firmware's class it takes no address of ours", async () => {
    // No firmware, it would take up the first offer that comes, of no address too, unless told what an offer needs.
    const dhclient = async (name: string, vendorClass: string): Promise<string> => {
      const config = `${vendorClass === "" ? "" : `send vendor-class-identifier "${vendorClass}"; require subnet-mask;`} timeout 8;`;
      const command = `printf '%s' '${config}' > /tmp/${name}.conf && exec dhclient -4 -d -1 -sf /bin/true -cf /tmp/${name}.conf -lf /tmp/${name}.leases -pf /tmp/${name}.pid eth0`;
      const client = rack.spawn(rack.client(name), [
        "unshare",
        "--mount",
        "sh",
        "-c",
        `mount -t tmpfs tmpfs /tmp && ${command}`,
      ]);
      let said = "";
      const bound = new Promise<void>((resolve) => {
        client.stderr?.on("data", (text: Buffer) => {
          said += text.toString();
          if (/bound to|No DHCPOFFERS/.test(said)) resolve();
        });
      });
      await Promise.race([bound, client]);
      client.kill("SIGTERM");
      await client;
      return said;
    };
    const plain = await dhclient("plain", "");
    assert.match(plain, /bound to 10\.77\.0\.1[0-5]\d/);
    assert.doesNotMatch(plain, new RegExp(`from ${head}\\b`));
    const pxe = await dhclient("dhclient", "PXEClient:Arch:00000:UNDI:002001");
    assert.match(pxe, /bound to 10\.77\.0\.1[0-5]\d/);
    assert.match(
      pxe,
      new RegExp(`DHCPACK of 10\\.77\\.0\\.1[0-5]\\d from ${foreign.replaceAll(".", "\\.")}`),
    );
  });

  it("never a rogue: 500 clients send every message there is, and no answer has an address in it", async () => {
    const host = rack.client("noise");
    await rack.exec(host, ["ip", "address", "replace", "10.77.0.99/24", "dev", "eth0"]);
    const stopCapture = await captureReplies(rack);
    await rack.exec(host, [process.execPath, join(support, "dhcp-noise-driver.ts"), "500"]);
    const replies = await stopCapture();
    assert.ok(replies.length > 500, `only ${replies.length} replies were seen`);
    const kinds = new Map<string, number>();
    for (const { payload, sourcePort } of replies) {
      const packet = decode(payload);
      const type = read(packet, option.messageType) ?? "none";
      kinds.set(`${sourcePort} ${type}`, (kinds.get(`${sourcePort} ${type}`) ?? 0) + 1);
      assert.equal(packet.yiaddr, "0.0.0.0");
      for (const code of [1, 3, 51, 58, 59]) assert.equal(packet.options.has(code), false, `option ${code}`);
    }
    assert.deepEqual([...kinds.keys()].sort(), ["4011 ACK", "67 OFFER"]);
    const status = JSON.parse((await provision("status", "--json")).stdout) as StatusAnswer;
    assert.equal(status.leases, 0);
    assert.deepEqual(
      status.parts.map(({ name }) => name).filter((name) => name === "dhcp" || name === "proxy-dhcp"),
      ["proxy-dhcp"],
    );
  });
});

it(
  "a head that gives out addresses is silent for machines of other networks",
  { timeout: 60_000 },
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "proxy-"));
    const rack = await createRack({
      clients: [{ name: "noise", address: "10.77.0.99/24" }, { name: "own" }],
    });
    const process_ = createHeadProcess(rack, directory);
    t.after(async () => {
      await process_.stop("SIGKILL");
      await rack.dispose();
      rmSync(directory, { recursive: true, force: true });
    });
    await process_.start();
    const stopCapture = await captureReplies(rack);
    const noise = [process.execPath, join(support, "dhcp-noise-driver.ts"), "50", "foreign"];
    const { stdout } = await rack.exec(rack.client("noise"), noise);
    // One of its own at last: whatever the head had to say to the others, it has said before this.
    const own = ["udhcpc", "-i", "eth0", "-f", "-n", "-q", "-t", "3", "-T", "1", "-s", "/bin/true"];
    await rack.exec(rack.client("own"), own);
    const replies = await stopCapture();
    assert.deepEqual(
      replies.map(({ payload }) => read(decode(payload), option.messageType)),
      ["OFFER", "ACK"],
    );
    assert.equal(Number(stdout), 400);
    const status = JSON.parse((await process_.provision("status", "--json")).stdout) as StatusAnswer;
    const counters = status.parts.find(({ name }) => name === "dhcp")?.counters ?? {};
    assert.equal(counters["dropped.foreign-relay"], 350);
    assert.equal(counters["dropped.foreign-network"], 50);
  },
);
