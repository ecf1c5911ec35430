/** Mount points of fstab(5)'s NFS entries that are not in /proc/self/mounts, which is written alike. */
export function missingMounts(fstab: string, mounts: string): readonly string[] {
  const mounted = new Set(entries(mounts).map(({ target }) => target));
  return entries(fstab)
    .filter(({ type, target }) => type.startsWith("nfs") && !mounted.has(target))
    .map(({ target }) => target);
}

function entries(table: string): readonly { target: string; type: string }[] {
  return table.split("\n").flatMap((line) => {
    const [source = "", target, type] = line.trim().split(/\s+/);
    return source.startsWith("#") || target === undefined || type === undefined ? [] : [{ target, type }];
  });
}
