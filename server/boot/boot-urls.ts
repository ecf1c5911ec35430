import { hyphenated, type Mac } from "../lib/mac.ts";

/** Every URL of a boot. A machine's identity is in the path: its port's MAC, and the number of this boot. */
export type BootUrls = {
  /** `http://10.0.1.1:8080` */
  base: string;
  script: (mac: Mac) => string;
  file: (mac: Mac, nonce: string, file: "kernel" | "initrd" | "overlay") => string;
  loader: (file: string) => string;
  node: (name: string) => string;
};

/** Port 80 is left out: some firmware cannot read it in a URL. */
export function bootUrls(address: string, port: number): BootUrls {
  const base = port === 80 ? `http://${address}` : `http://${address}:${port}`;
  return {
    base,
    script: (mac) => `${base}/boot/${hyphenated(mac)}/script.ipxe`,
    file: (mac, nonce, file) => `${base}/boot/${hyphenated(mac)}/${nonce}/${file}`,
    loader: (file) => `${base}/loader/${file}`,
    node: (name) => `${base}/node/${name}`,
  };
}
