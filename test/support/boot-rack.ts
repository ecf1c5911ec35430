import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Admission, type AdmissionLimits, defaultTurnLimits } from "../../server/boot/admission.ts";
import { BootDesk } from "../../server/boot/boot-desk.ts";
import { bootUrls } from "../../server/boot/boot-urls.ts";
import { Credentials } from "../../server/boot/credentials.ts";
import { defaultNodeFacingLimits, nodeFacing, type NodeFacingLimits } from "../../server/http/node-app.ts";
import {
  type ConnectionLimits,
  createBoundedServer,
  defaultConnectionLimits,
} from "../../server/http/server.ts";
import { BootStore } from "../../server/inventory/boot-store.ts";
import { SecretStore } from "../../server/inventory/secret-store.ts";
import { silentLog } from "../../server/lib/log.ts";
import type { ImageCatalog, ImageVersion } from "../../server/model/image.ts";
import { createTemplates } from "../../server/template/engine.ts";
import { Tracker } from "../../server/tracker/tracker.ts";
import { openInventory } from "./inventory.ts";
import { temporaryDirectory } from "./temporary.ts";

export const kernelBytes = Buffer.from("kernel".repeat(1000));

/** A head's boot path with a real database and real HTTP on loopback; one node `n1` and one image. */
export async function openBootRack(
  t: TestContext,
  state = temporaryDirectory(t),
  options: {
    limits?: Partial<NodeFacingLimits>;
    connections?: Partial<ConnectionLimits>;
    turns?: Partial<AdmissionLimits>;
    /** The head's clock is so much ahead of the files' times: none of them is young. */
    aheadMs?: number;
  } = {},
) {
  const { inventory, directory, database } = await openInventory(state);
  if (directory.byName("n1") === undefined) {
    await inventory.addNodes({
      range: "n1",
      macs: ["52:54:00:00:00:01", "52:54:00:00:01:01"],
      ip: "10.0.1.11",
      kernelArguments: ["own=1"],
    });
  }
  const files = join(state, "files");
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, "vmlinuz"), kernelBytes);
  writeFileSync(join(files, "initrd.img"), "initrd");
  writeFileSync(join(files, "snponly.efi"), "loader");
  const templates = join(state, "templates");
  cpSync(join(import.meta.dirname, "../../templates/ipxe"), templates, { recursive: true });
  const grubTemplates = join(import.meta.dirname, "../../templates/grub");
  const pxelinuxTemplates = join(import.meta.dirname, "../../templates/pxelinux");
  const image: ImageVersion = {
    name: "debian-13",
    version: "20260101-00000000",
    architecture: "amd64",
    root: join(files, "rootfs"),
    kernel: join(files, "vmlinuz"),
    initrd: join(files, "initrd.img"),
    kernelVersion: "6.12",
    kernelArguments: ["rw"],
    builtAtMs: 0,
    inputsDigest: "0".repeat(64),
    current: true,
    bytes: 1,
  };
  const images = new Map([["debian-13", image]]);
  const catalog: ImageCatalog = {
    find: (reference) =>
      images.get(reference) ??
      [...images.values()].find(({ name, version }) => reference === `${name}@${version}`),
    list: () => [...images.values()],
  };
  const { aheadMs = 0 } = options;
  const clock = { nowMs: () => Date.now() + aheadMs };
  const store = new BootStore(database, { bootsKept: () => 20 });
  const tracker = new Tracker({ directory, store, clock, log: silentLog });
  await tracker.load();
  const credentials = new Credentials(new SecretStore(database));
  await credentials.load();
  const server = createBoundedServer(() => undefined, { ...defaultConnectionLimits, ...options.connections });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const urls = bootUrls("127.0.0.1", port);
  const urls6 = bootUrls("::1", port);
  const desk = new BootDesk({
    directory,
    nodeSeenAt: (mac) => tracker.nodeSeenAt(mac),
    credentials,
    urls: { ipv4: urls, ipv6: urls6 },
    clock,
    catalog,
    templates: {
      ipxe: createTemplates(templates),
      grub: createTemplates(grubTemplates),
      pxelinux: createTemplates(pxelinuxTemplates),
    },
    record: tracker.record,
    admission: new Admission({ ...defaultTurnLimits, machines: 64, ...options.turns }),
    elapsedMs: () => performance.now(),
    image: "debian-13",
    kernelArguments: ["site=1"],
    rootArgument: ({ root }) => `nfs4:10.0.1.1:${root}:ro,vers=4.1`,
  });
  const nodes = nodeFacing(
    {
      directory,
      credentials,
      catalog,
      desk,
      tracker,
      clock,
      record: tracker.record,
      log: silentLog,
      loaderPlaces: [files],
      overlay: (_, token) => Promise.resolve(Buffer.from(`token=${token}`)),
    },
    { ...defaultNodeFacingLimits, cacheBytes: 1024 * 1024, ...options.limits },
  );
  nodes.watch(server);
  server.on("request", nodes.listener);
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await tracker.stop();
    await credentials.stop();
    await database.close();
  };
  /** As kill -9: what was not on the disk yet is gone. The database is given up, or no other head could open it. */
  const kill = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await database.close();
  };
  const node = directory.byName("n1");
  if (node === undefined) throw new Error("n1 is missing");
  return {
    base: urls.base,
    urls,
    desk,
    directory,
    inventory,
    tracker,
    store,
    credentials,
    catalog,
    images,
    image,
    files,
    state,
    node,
    counters: nodes.counters,
    templates,
    close,
    kill,
  };
}
