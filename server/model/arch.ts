/**
 * Boot firmware by DHCP option 93: RFC 4578 section 2.1 and the IANA registry "Processor Architecture Types" that took
 * its place (of DHCPv6, RFC 5970 section 3.3; one list for both protocols).
 */
export type Architecture = {
  /** As listings and `lab up --firmware` name it. */
  name: string;
  /** Whose PXE client it is: UEFI's differs from BIOS's in what it makes of a proxyDHCP offer. */
  family: "bios" | "uefi" | "other";
  /** How the firmware fetches its loader. */
  transport: "tftp" | "http";
  /** File in the loader directory; absent: we have no loader for it. */
  loader?: string;
  /** GRUB for it, for those that want that instead. */
  grub?: string;
  /** The program that starts a signed GRUB, for firmware that starts nothing unsigned. */
  shim?: string;
  /** PXELINUX for it. */
  pxelinux?: string;
};

/**
 * Which loader machines are given: iPXE, GRUB, GRUB as Secure Boot demands it, or PXELINUX, where there is such a one for
 * their firmware; else iPXE.
 */
export const loaderKinds = ["ipxe", "grub", "shim", "pxelinux"] as const;

export type LoaderKind = (typeof loaderKinds)[number];

/** Built by Debian's `ipxe`. */
const loader = { bios: "undionly.kpxe", x64: "snponly.efi", arm64: "ipxe-arm64.efi" } as const;

/**
 * Debian's `grub-efi-amd64-bin` and `grub-efi-arm64-bin` have it whole in one file, to start from the network by TFTP; one
 * that fetches by HTTP the head makes of their modules (boot/grub-image.ts).
 */
export const grub = {
  x64: "grubnetx64.efi",
  arm64: "grubnetaa64.efi",
  x64Http: "grubhttpx64.efi",
  arm64Http: "grubhttpaa64.efi",
} as const;

/** shim, signed with Microsoft's key, and the GRUB it asks for beside itself, signed with Debian's as the kernel is. */
export const shim = { x64: "shimx64.efi", x64Grub: "grubx64.efi" } as const;

/** Where Debian's `shim-signed` and `grub-efi-amd64-signed` have them: under other names than the network's. */
const signedFiles: Readonly<Record<string, string>> = {
  [shim.x64]: "/usr/lib/shim/shimx64.efi.signed",
  [shim.x64Grub]: "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
};

/** PXELINUX with HTTP, and what it asks for beside itself, of Debian's `pxelinux` and `syslinux-common`. */
export const pxelinux = { bios: "lpxelinux.0", module: "ldlinux.c32" } as const;

/** Where Debian has GRUB's modules. */
export function grubModuleDirectory(format: "x86_64-efi" | "arm64-efi"): string {
  return `/usr/lib/grub/${format}`;
}

/** Where Debian has those that are whole: GRUB's, PXELINUX and its module. */
export const debianLoaderDirectories = [
  `${grubModuleDirectory("x86_64-efi")}/monolithic`,
  `${grubModuleDirectory("arm64-efi")}/monolithic`,
  "/usr/lib/PXELINUX",
  "/usr/lib/syslinux/modules/bios",
] as const;

/** The boot ROM and EEPROM of a Raspberry Pi. It says 0 (BIOS) of itself, not the 41 that was registered for it later. */
export const raspberryPi: Architecture = { name: "raspberry-pi", family: "other", transport: "tftp" };

/** By TFTP alone is there a shim: the signed GRUB of Debian 12 has no HTTP, and takes no modules. */
const x64: Architecture = {
  name: "uefi-x64",
  family: "uefi",
  transport: "tftp",
  loader: loader.x64,
  grub: grub.x64,
  shim: shim.x64,
};

// By number, in the registry's order: 0 to 41 are assigned.
const table: readonly Architecture[] = [
  { name: "bios", family: "bios", transport: "tftp", loader: loader.bios, pxelinux: pxelinux.bios },
  { name: "pc98", family: "bios", transport: "tftp" },
  { name: "uefi-itanium", family: "uefi", transport: "tftp" },
  { name: "alpha", family: "other", transport: "tftp" },
  { name: "arc-x86", family: "other", transport: "tftp" },
  { name: "intel-lean-client", family: "other", transport: "tftp" },
  { name: "uefi-ia32", family: "uefi", transport: "tftp" },
  // RFC 4578 gave 7 to "EFI BC" and 9 to "EFI x86-64"; all firmware sends 7 for x86-64, so the registry has 7 for that
  // (erratum 4624) and 9 for byte code. Older iPXE and firmware that went by the RFC mean x86-64 by 9.
  x64,
  { name: "uefi-xscale", family: "uefi", transport: "tftp" },
  x64,
  { name: "uefi-arm32", family: "uefi", transport: "tftp" },
  { name: "uefi-arm64", family: "uefi", transport: "tftp", loader: loader.arm64, grub: grub.arm64 },
  { name: "powerpc-open-firmware", family: "other", transport: "tftp" },
  { name: "powerpc-epapr", family: "other", transport: "tftp" },
  { name: "power-opal", family: "other", transport: "tftp" },
  { name: "uefi-ia32-http", family: "uefi", transport: "http" },
  { name: "uefi-x64-http", family: "uefi", transport: "http", loader: loader.x64, grub: grub.x64Http },
  { name: "uefi-ebc-http", family: "uefi", transport: "http" },
  { name: "uefi-arm32-http", family: "uefi", transport: "http" },
  { name: "uefi-arm64-http", family: "uefi", transport: "http", loader: loader.arm64, grub: grub.arm64Http },
  { name: "bios-http", family: "bios", transport: "http" },
  { name: "uboot-arm32", family: "other", transport: "tftp" },
  { name: "uboot-arm64", family: "other", transport: "tftp" },
  { name: "uboot-arm32-http", family: "other", transport: "http" },
  { name: "uboot-arm64-http", family: "other", transport: "http" },
  { name: "uefi-riscv32", family: "uefi", transport: "tftp" },
  { name: "uefi-riscv32-http", family: "uefi", transport: "http" },
  { name: "uefi-riscv64", family: "uefi", transport: "tftp" },
  { name: "uefi-riscv64-http", family: "uefi", transport: "http" },
  { name: "uefi-riscv128", family: "uefi", transport: "tftp" },
  { name: "uefi-riscv128-http", family: "uefi", transport: "http" },
  { name: "s390-basic", family: "other", transport: "tftp" },
  { name: "s390-extended", family: "other", transport: "tftp" },
  { name: "uefi-mips32", family: "uefi", transport: "tftp" },
  { name: "uefi-mips64", family: "uefi", transport: "tftp" },
  { name: "uefi-sunway32", family: "uefi", transport: "tftp" },
  { name: "uefi-sunway64", family: "uefi", transport: "tftp" },
  { name: "uefi-loongarch32", family: "uefi", transport: "tftp" },
  { name: "uefi-loongarch32-http", family: "uefi", transport: "http" },
  { name: "uefi-loongarch64", family: "uefi", transport: "tftp" },
  { name: "uefi-loongarch64-http", family: "uefi", transport: "http" },
  raspberryPi,
];

/** The row of option 93's number; a number we do not know has a name and no loader. */
export function architectureOf(code: number): Architecture {
  return table[code] ?? { name: `arch-${code}`, family: "other", transport: "tftp" };
}

/** The row with a name; `arch-N` and names of nothing have no loader. */
export function architectureNamed(name: string): Architecture {
  return table.find((row) => row.name === name) ?? { name, family: "other", transport: "tftp" };
}

/** Every loader a firmware may be told to fetch. */
export function loaderFiles(): readonly string[] {
  return [loader, grub, shim, pxelinux].flatMap((files) => Object.values(files));
}

/** Reads a loader's name; undefined for any other word. */
export function parseLoaderKind(text: string): LoaderKind | undefined {
  return loaderKinds.find((kind) => kind === text);
}

/**
 * Where a loader may lie, as directory and file; the first that is there counts. `directories`: those of loaders, the site's
 * own first. A signed one is nowhere but there and where Debian has it: an unsigned one of its name would be refused.
 */
export function placesOfLoader(
  path: string,
  directories: readonly string[],
): { directory: string; file: string }[] {
  const signed = signedFiles[path.replace(/^\/+/, "")];
  if (signed === undefined) return directories.map((directory) => ({ directory, file: path }));
  const slash = signed.lastIndexOf("/");
  return [
    ...directories.slice(0, 1).map((directory) => ({ directory, file: path })),
    { directory: signed.slice(0, slash), file: signed.slice(slash + 1) },
  ];
}

/** What this firmware is given. A BIOS gets iPXE or PXELINUX: Debian has no GRUB ready made for it. */
export function loaderOf(architecture: Architecture, kind: LoaderKind): string | undefined {
  const { loader: ipxe, grub: unsigned = ipxe, shim: signed = unsigned } = architecture;
  switch (kind) {
    case "ipxe": {
      return ipxe;
    }
    case "grub": {
      return unsigned;
    }
    case "shim": {
      return signed;
    }
    case "pxelinux": {
      return architecture.pxelinux ?? ipxe;
    }
  }
}
