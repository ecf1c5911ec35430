import { hyphenated, type Mac, parseMac } from "../lib/mac.ts";

/** Every URL and path of a boot. A machine's identity is in it: its port's MAC, and the number of this boot. */
export type BootUrls = {
  /** `http://10.0.1.1:8080` */
  base: string;
  script: (mac: Mac) => string;
  file: (mac: Mac, nonce: string, file: "kernel" | "initrd" | "overlay") => string;
  /** For UEFI HTTP Boot. */
  loader: (mac: Mac, file: string) => string;
  /** The same, as a path for TFTP. */
  loaderPath: (mac: Mac, file: string) => string;
};

/** Port 80 is left out: some firmware cannot read it in a URL. */
export function bootUrls(address: string, port: number): BootUrls {
  const base = port === 80 ? `http://${address}` : `http://${address}:${port}`;
  const own = (mac: Mac): string => `boot/${hyphenated(mac)}`;
  return {
    base,
    script: (mac) => `${base}/${own(mac)}/script.ipxe`,
    file: (mac, nonce, file) => `${base}/${own(mac)}/${nonce}/${file}`,
    loader: (mac, file) => `${base}/${own(mac)}/loader/${file}`,
    loaderPath: (mac, file) => `${own(mac)}/loader/${file}`,
  };
}

/** What a machine asks for by a path of its own. */
export type OwnPath = { mac: Mac; file: { kind: "script" } | { kind: "loader"; name: string } };

/** Reads `boot/MAC/script.ipxe` and `boot/MAC/loader/FILE`, with or without slashes before; undefined for any other path. */
export function readOwnPath(path: string): OwnPath | undefined {
  const match =
    /^\/*boot\/(?<mac>[0-9a-fA-F:-]{17})\/(?:(?<script>script\.ipxe)|loader\/(?<name>[A-Za-z0-9._-]+))$/.exec(
      path,
    )?.groups;
  const mac = parseMac(match?.["mac"] ?? "");
  if (match === undefined || mac === undefined) return undefined;
  const name = match["name"];
  return { mac, file: name === undefined ? { kind: "script" } : { kind: "loader", name } };
}
