import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { firstNodeMac } from "./head.ts";

/**
 * Asks for the boot scripts of the first nodes, as a process of its own in the load's namespace: `node boot-paths-driver.ts
 * http://10.64.0.1:8080 COUNT DIRECTORY`. Leaves the scripts below DIRECTORY/www under their own paths, the first node's
 * overlay as DIRECTORY/www/overlay, and the paths of scripts and of what they name in DIRECTORY/{scripts,kernels,initrds,
 * overlays}, a line a node.
 */
const [base = "", count = "0", directory = "."] = process.argv.slice(2);
const lists = {
  scripts: [] as string[],
  kernels: [] as string[],
  initrds: [] as string[],
  overlays: [] as string[],
};
for (let first = 0; first < Number(count); first += 20) {
  const some = Array.from({ length: Math.min(20, Number(count) - first) }, (_, index) => first + index);
  for (const boot of await Promise.all(some.map(fetchScript))) {
    lists.scripts.push(boot.script);
    lists.kernels.push(boot.kernel);
    lists.initrds.push(boot.initrd);
    lists.overlays.push(boot.overlay);
  }
}
for (const [name, paths] of Object.entries(lists))
  writeFileSync(join(directory, name), `${paths.join("\n")}\n`);
const overlay = await fetch(`${base}${lists.overlays[0]}`);
if (overlay.status !== 200) throw new Error(`the overlay: ${overlay.status}`);
writeFileSync(join(directory, "www/overlay"), Buffer.from(await overlay.arrayBuffer()));

type Boot = { script: string; kernel: string; initrd: string; overlay: string };

async function fetchScript(index: number): Promise<Boot> {
  const mac = (firstNodeMac + index).toString(16).padStart(12, "0").match(/../g) ?? [];
  const script = `/boot/${mac.join("-")}/script.ipxe`;
  const response = await fetch(`${base}${script}`);
  const text = await response.text();
  const named = /^kernel .*? (?<kernel>http:\S+)[^]*? (?<initrd>http:\S+)[^]*? (?<overlay>http:\S+)/m.exec(
    text,
  )?.groups;
  if (response.status !== 200 || named === undefined)
    throw new Error(`${script}: ${response.status}: ${text}`);
  const file = join(directory, "www", script);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  const pathOf = (name: string): string => new URL(named[name] ?? "").pathname;
  return { script, kernel: pathOf("kernel"), initrd: pathOf("initrd"), overlay: pathOf("overlay") };
}
