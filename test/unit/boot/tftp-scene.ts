import type { TestContext } from "node:test";
import type { IpFamily } from "../../../server/boot/boot-urls.ts";
import { createTftpFiles } from "../../../server/boot/tftp-files.ts";
import type { BootEvent } from "../../../server/model/boot-event.ts";
import { openBootRack } from "../../support/boot-rack.ts";

/** What TFTP serves of a boot rack, each file as a text, and what is recorded of it. */
export async function openTftp(t: TestContext) {
  const rack = await openBootRack(t);
  t.after(rack.close);
  const events: BootEvent[] = [];
  const files = createTftpFiles<string>({
    desk: rack.desk,
    directory: rack.directory,
    credentials: rack.credentials,
    catalog: rack.catalog,
    record: (event) => events.push(event),
    clock: { nowMs: () => Date.now() },
    openLoader: async (path) => (path === "grubnetx64.efi" ? "GRUB" : undefined),
    openImageFile: async (path) =>
      rack.files === path.slice(0, rack.files.length) ? `file ${path}` : undefined,
    fromBytes: (bytes) => Buffer.from(bytes).toString(),
    overlay: async (_node, token) => Buffer.from(`token ${token}`),
  });
  const open = (path: string, family: IpFamily = "ipv4"): Promise<string | undefined> =>
    files.open(path, family);
  return { ...rack, open, fetched: files.fetched, events };
}
