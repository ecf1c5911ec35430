/** Boot firmware by DHCP option 93 (RFC 4578 section 2.1 and the IANA "Processor Architecture Types" registry). */
export type Architecture = {
  /** As listings and `lab up --firmware` name it. */
  name: string;
  /** How the firmware fetches its loader. */
  transport: "tftp" | "http";
  /** File in the loader directory; absent: we have no loader for it. */
  loader?: string;
};

const table: ReadonlyMap<number, Architecture> = new Map([
  [0, { name: "bios", transport: "tftp", loader: "undionly.kpxe" }],
  [6, { name: "uefi-ia32", transport: "tftp" }],
  // RFC 4578 gave 7 to "EFI BC" and 9 to "EFI x86-64"; firmware in the field sends 7 for x86-64 (errata 1983).
  [7, { name: "uefi-x64", transport: "tftp", loader: "snponly.efi" }],
  [9, { name: "uefi-x64", transport: "tftp", loader: "snponly.efi" }],
  [10, { name: "uefi-arm32", transport: "tftp" }],
  [11, { name: "uefi-arm64", transport: "tftp", loader: "ipxe-arm64.efi" }],
  [15, { name: "uefi-ia32-http", transport: "http" }],
  [16, { name: "uefi-x64-http", transport: "http", loader: "snponly.efi" }],
  [19, { name: "uefi-arm64-http", transport: "http", loader: "ipxe-arm64.efi" }],
]);

/** The row of option 93's number; a number we do not know has a name and no loader. */
export function architectureOf(code: number): Architecture {
  return table.get(code) ?? { name: `arch-${code}`, transport: "tftp" };
}

/** Every loader a firmware may be told to fetch. */
export function loaderFiles(): readonly string[] {
  return [...new Set([...table.values()].flatMap((row) => (row.loader === undefined ? [] : [row.loader])))];
}
