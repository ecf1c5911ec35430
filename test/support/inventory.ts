import type { Ipv4 } from "../../server/lib/ipv4.ts";
import type { Mac } from "../../server/lib/mac.ts";
import { Inventory } from "../../server/inventory/inventory.ts";
import { type Database, openDatabase } from "../../server/inventory/database.ts";
import { LiveDirectory } from "../../server/inventory/live-directory.ts";
import type { Site } from "../../server/inventory/node-values.ts";
import { NodeStore } from "../../server/inventory/node-store.ts";
import type { DiscoveredMachine } from "../../server/model/node.ts";

export const testSite: Site = {
  dhcp: { mode: "server" },
  networks: [
    {
      subnet: { base: "10.0.1.0" as Ipv4, bits: 24 },
      wire: "eth1",
      pools: [{ from: "10.0.1.200" as Ipv4, to: "10.0.1.250" as Ipv4 }],
    },
  ],
  address: "10.0.1.1" as Ipv4,
};

/** An inventory on a real database in `directory`. */
export async function openInventory(
  stateDirectory: string,
  options: {
    discovered?: DiscoveredMachine[];
    up?: string[];
    images?: string[];
    site?: Site;
  } = {},
): Promise<{ inventory: Inventory; directory: LiveDirectory; database: Database }> {
  const database = await openDatabase(stateDirectory);
  const directory = new LiveDirectory();
  let made = 0;
  const inventory = new Inventory({
    store: new NodeStore(database),
    directory,
    isUp: (node) => options.up?.includes(node.name) === true,
    view: () => ({
      directory,
      site: options.site ?? testSite,
      hasImage: (reference) => (options.images ?? ["debian-13"]).includes(reference),
      discovered: options.discovered ?? [],
      nowMs: 1000,
      makeMachineId: () => (made += 1).toString(16).padStart(32, "0"),
      makeSshHostKey: () => ({ privateKey: `private ${made}`, publicKey: `ssh-ed25519 AAAA${made}` }),
    }),
  });
  try {
    await inventory.load();
  } catch (error) {
    await database.close();
    throw error;
  }
  return { inventory, directory, database };
}

export function discoveredMachine(mac: string, firstSeenMs: number): DiscoveredMachine {
  return { mac: mac as Mac, firstSeenMs, lastSeenMs: firstSeenMs };
}
