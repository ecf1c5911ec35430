import { createHash } from "node:crypto";
import type { CredentialRequest, NodeReport, PhaseReport } from "../../agent/contract.ts";
import { acquire } from "./dhcp-client.ts";
import { dhcpProfiles } from "./dhcp-profiles.ts";
import { BootFailure, http, type Machine, note, phase, type Walk, type WalkPhase } from "./effects.ts";
import type { Loaded } from "./ipxe.ts";
import { type ArchiveFile, readArchive } from "./overlay-archive.ts";

/** What the node's own files tell it about the head (templates/node/boot.env.hbs). */
export type BootEnvironment = { url: string; token: string };

/** The initrd's and the agent's part: an address, three phases, and the exchange of the token for a credential. */
export function* runSystem(machine: Machine, loaded: Loaded): Walk {
  const files = overlayFilesOf(loaded);
  yield* note(listing(files), "the node's own files");
  const { url, token } = bootEnvironment(files);
  yield* note(`${loaded.commandLine}\n`, "kernel command line");
  yield* phase("system address");
  yield* acquire(dhcpProfiles.networkd, machine, machine.xids[2]);
  yield* report(`${url}/phase`, token, "starting", {
    phase: "starting",
    message: "network up",
    uptimeSeconds: 8,
  });
  yield* note("the root would be mounted by NFS here, which is not simulated");
  yield* report(`${url}/phase`, token, "root", { phase: "root", message: "root mounted", uptimeSeconds: 12 });
  const digest = createHash("sha256").update(machine.credential).digest("hex");
  yield* report(`${url}/credential`, token, "credential", { credentialDigest: digest });
  yield* report(`${url}/phase`, machine.credential, "up", { phase: "up", uptimeSeconds: 20 });
  yield* report(`${url}/report`, machine.credential, "up", firstReport(machine));
}

function overlayFilesOf(loaded: Loaded): ArchiveFile[] {
  const overlay = loaded.initrds.find(({ content }) => content.length > 0);
  if (overlay !== undefined) return readArchive(overlay.content);
  throw new BootFailure(
    "the boot script loads no overlay: the node would know neither its name nor its token",
  );
}

function listing(files: readonly ArchiveFile[]): string {
  return files
    .map(
      ({ path, mode, content }) =>
        `${mode.toString(8).padStart(4, "0")} ${String(content.length).padStart(9)}  ${path}\n`,
    )
    .join("");
}

/** Reads `/provision/boot.env`: what the initrd sources. */
export function bootEnvironment(files: readonly ArchiveFile[]): BootEnvironment {
  const file = files.find(({ path }) => path === "/provision/boot.env");
  const text = file === undefined ? "" : Buffer.from(file.content).toString("utf8");
  const value = (name: string): string | undefined =>
    new RegExp(`^${name}=['"]?([^'"\\s]+)['"]?$`, "m").exec(text)?.[1];
  const [url, token] = [value("PROVISION_URL"), value("PROVISION_TOKEN")];
  if (url === undefined || token === undefined) {
    throw new BootFailure("the overlay has no /provision/boot.env with PROVISION_URL and PROVISION_TOKEN");
  }
  return { url, token };
}

function* report(
  url: string,
  secret: string,
  step: WalkPhase,
  content: PhaseReport | CredentialRequest | NodeReport,
): Walk {
  yield* phase(step);
  const reply = yield* http({
    method: "POST",
    url,
    headers: {
      Authorization: `Bearer ${secret}`,
      "Content-Type": "application/json",
      // The initrd's reports are a shell's, a connection each; the agent keeps its own.
      Connection: step === "starting" || step === "root" ? "close" : "keep-alive",
    },
    body: JSON.stringify(content),
    want: "text",
  });
  if (reply.status >= 200 && reply.status < 300) return;
  const said = Buffer.from(reply.body).toString("utf8").trim().slice(0, 300);
  throw new BootFailure(`${url}: HTTP status ${reply.status}${said === "" ? "" : `: ${said}`}`);
}

/** What an agent says first: load, and a plain machine's hardware. */
function firstReport({ mac, firmware }: Machine): NodeReport {
  return {
    uptimeSeconds: 20,
    load: { average: [0.1, 0.1, 0.1], runnable: 1, memoryAvailableBytes: 8 * 2 ** 30, cpuBusy: 0.02 },
    hardware: {
      cpu: { model: "simulated", sockets: 1, cores: 4, threads: 4, mhz: 2600 },
      memoryBytes: 16 * 2 ** 30,
      nics: [{ name: "eth0", mac, driver: "simulated", port: 0, linkUp: true, speedMbps: 1000 }],
      disks: [],
      kernel: "simulated",
      vendor: "Provision",
      product: "simulated node",
      firmware: firmware === "bios" ? "bios" : "uefi",
    },
  };
}
