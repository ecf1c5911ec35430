import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { firstNodeMac } from "./head.ts";

/**
 * Asks for the boot scripts of the first nodes, as a process of its own in the load's namespace: `node boot-paths-driver.ts
 * http://10.64.0.1:8080 COUNT DIRECTORY`. Leaves the scripts below DIRECTORY/www under their own paths, and the paths of
 * scripts and of the initrds that they name in DIRECTORY/{scripts,initrds}, a line a node.
 */
const [base = "", count = "0", directory = "."] = process.argv.slice(2);
const scripts: string[] = [];
const initrds: string[] = [];
for (let first = 0; first < Number(count); first += 20) {
  const some = Array.from({ length: Math.min(20, Number(count) - first) }, (_, index) => first + index);
  for (const [path, initrd] of await Promise.all(some.map(fetchScript))) {
    scripts.push(path);
    initrds.push(initrd);
  }
}
writeFileSync(join(directory, "scripts"), `${scripts.join("\n")}\n`);
writeFileSync(join(directory, "initrds"), `${initrds.join("\n")}\n`);

async function fetchScript(index: number): Promise<[path: string, initrd: string]> {
  const mac = (firstNodeMac + index).toString(16).padStart(12, "0").match(/../g) ?? [];
  const path = `/boot/${mac.join("-")}/script.ipxe`;
  const response = await fetch(`${base}${path}`);
  const text = await response.text();
  const initrd = /^initrd --name initrd\.img (?<url>\S+)/m.exec(text)?.groups?.["url"];
  if (response.status !== 200 || initrd === undefined)
    throw new Error(`${path}: ${response.status}: ${text}`);
  const file = join(directory, "www", path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return [path, new URL(initrd).pathname];
}
