import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * The process that holds a local port, as `name (process 123)`, by the socket's inode in /proc/net and the descriptors
 * in /proc/*\/fd (proc(5)). Undefined when none is found or its descriptors may not be read.
 */
export function ownerOfPort(port: number): string | undefined {
  const inodes = new Set(
    ["tcp", "tcp6", "udp", "udp6"].flatMap((table) => inodesOf(`/proc/net/${table}`, port)),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of readdirSync("/proc")) {
    if (/^\d+$/.test(pid) && holdsAny(pid, inodes)) {
      return `${readOrEmpty(`/proc/${pid}/comm`).trim()} (process ${pid})`;
    }
  }
  return undefined;
}

function inodesOf(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readOrEmpty(table).split("\n").slice(1);
  return rows.flatMap((row) => {
    const fields = row.trim().split(/\s+/);
    const inode = fields[9];
    return fields[1]?.endsWith(suffix) === true && inode !== undefined && inode !== "0"
      ? [`socket:[${inode}]`]
      : [];
  });
}

function holdsAny(pid: string, links: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => links.has(readlinkSync(`/proc/${pid}/fd/${fd}`)));
  } catch {
    return false; // it has ended, or is another user's
  }
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
