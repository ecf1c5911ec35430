import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";

/** A program of a Debian package, unpacked into the cache. */
export type RivalProgram = {
  version: string;
  /** `env LD_LIBRARY_PATH=… /var/cache/…/usr/sbin/kea-dhcp4`: what to run it with. */
  command: readonly string[];
  /** The unpacked package. */
  root: string;
};

/** Where each program lies in its package. */
const packages = {
  dnsmasq: { package: "dnsmasq-base", file: "usr/sbin/dnsmasq" },
  kea: { package: "kea-dhcp4-server", file: "usr/sbin/kea-dhcp4" },
  dhcpd: { package: "isc-dhcp-server", file: "usr/sbin/dhcpd" },
  "tftpd-hpa": { package: "tftpd-hpa", file: "usr/sbin/in.tftpd" },
  atftpd: { package: "atftpd", file: "usr/sbin/atftpd" },
  nginx: { package: "nginx", file: "usr/sbin/nginx" },
  perfdhcp: { package: "kea-admin", file: "usr/sbin/perfdhcp" },
  wrk: { package: "wrk", file: "usr/bin/wrk" },
} as const;
export type RivalName = keyof typeof packages;

/**
 * Fetches programs from the archive that apt is set up with, the libraries they need and this machine lacks with them,
 * into a directory of ours: nothing is installed, no service is started.
 */
export class Rivals {
  readonly #directory: string;
  readonly #say: (text: string) => void;
  readonly #versions = new Map<string, string>();
  #listsAreFresh = false;

  constructor(cache: string, say: (text: string) => void) {
    this.#directory = join(cache, "packages");
    this.#say = say;
    mkdirSync(this.#directory, { recursive: true });
  }

  /** Of everything that was asked for. */
  versions(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#versions);
  }

  /** @throws when it cannot be had, with apt's own words. */
  async get(name: RivalName): Promise<RivalProgram> {
    const { package: debianPackage, file } = packages[name];
    const found = this.#unpacked(debianPackage) ?? (await this.#fetch(debianPackage));
    const root = join(this.#directory, found);
    const version = found.slice(debianPackage.length + 1);
    this.#versions.set(name, version);
    const libraries = readdirSync(join(root, "usr/lib"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name.includes("-linux-"))
      .map((entry) => join(root, "usr/lib", entry.name));
    return {
      version,
      root,
      command: [
        ...(libraries.length === 0 ? [] : ["env", `LD_LIBRARY_PATH=${libraries.join(":")}`]),
        join(root, file),
      ],
    };
  }

  #unpacked(debianPackage: string): string | undefined {
    return readdirSync(this.#directory).find((name) => name.startsWith(`${debianPackage}_`));
  }

  async #fetch(debianPackage: string): Promise<string> {
    this.#say(`fetching the Debian package ${debianPackage} (kept in ${this.#directory}, not installed)`);
    const archives = join(this.#directory, `.${debianPackage}-archives`);
    rmSync(archives, { recursive: true, force: true });
    mkdirSync(join(archives, "partial"), { recursive: true });
    try {
      await this.#download(debianPackage, archives);
      return await this.#unpack(debianPackage, archives);
    } finally {
      rmSync(archives, { recursive: true, force: true });
    }
  }

  /** Again with fresh package lists, should those of the machine be missing or out of date. They are not touched. */
  async #download(debianPackage: string, archives: string): Promise<void> {
    const lists = join(this.#directory, ".lists");
    const own = [`Dir::State::lists=${lists}`, "APT::Sandbox::User=root"];
    const options = (...each: string[]) => each.flatMap((option) => ["-o", option]);
    const install = ["install", "--download-only", "--reinstall", "--no-install-recommends", "-q", "-y"];
    const into = [`Dir::Cache::archives=${archives}`, "Debug::NoLocking=1", "APT::Sandbox::User=root"];
    if (!this.#listsAreFresh) {
      const tried = await execa("apt-get", [...install, ...options(...into), debianPackage], {
        reject: false,
      });
      if (tried.exitCode === 0) return;
      this.#say("fetching the package lists");
      mkdirSync(join(lists, "partial"), { recursive: true });
      await execa("apt-get", ["update", "-q", ...options(...own)]);
      this.#listsAreFresh = true;
    }
    await execa("apt-get", [...install, ...options(...into, ...own), debianPackage]);
  }

  async #unpack(debianPackage: string, archives: string): Promise<string> {
    const files = readdirSync(archives).filter((name) => name.endsWith(".deb"));
    const main = files.find((name) => name.startsWith(`${debianPackage}_`));
    if (main === undefined) throw new Error(`apt has not fetched ${debianPackage}`);
    const { stdout: version } = await execa("dpkg-deb", ["-f", join(archives, main), "Version"]);
    const name = `${debianPackage}_${version}`;
    const unfinished = join(archives, "tree");
    for (const file of files) await execa("dpkg-deb", ["-x", join(archives, file), unfinished]);
    mkdirSync(join(unfinished, "usr/lib"), { recursive: true });
    if (!existsSync(join(this.#directory, name))) renameSync(unfinished, join(this.#directory, name));
    return name;
  }
}
