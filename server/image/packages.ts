/** Names and versions of the packages that are installed, from the text of /var/lib/dpkg/status (deb-control(5)). */
export function installedPackages(status: string): Record<string, string> {
  const packages: [name: string, version: string][] = [];
  for (const paragraph of status.split(/\n\n+/)) {
    const field = (name: string): string | undefined => {
      return new RegExp(`^${name}: (.*)$`, "m").exec(paragraph)?.[1];
    };
    const name = field("Package");
    const version = field("Version");
    if (name === undefined || version === undefined || field("Status") !== "install ok installed") continue;
    packages.push([name, version]);
  }
  return Object.fromEntries(packages.sort(([left], [right]) => (left < right ? -1 : 1)));
}
