import type { Config } from "../config/config.ts";
import type { Mac } from "../lib/mac.ts";
import type { Directory } from "../model/directory.ts";
import type { LeaseTable } from "./leases.ts";

/** What of the head's configuration DHCP answers with. */
export type DhcpSite = Pick<
  Config,
  "address" | "subnet" | "pool" | "leaseSeconds" | "router" | "dns" | "domain" | "unknownMachines"
> & { urls: BootUrls };

/** Where the head's HTTP server has things; the composition root knows. */
export type BootUrls = {
  /** By HTTP, a URL. The machine's MAC is in it, so the fetch is known as its. */
  loader: (mac: Mac, file: string) => string;
  /** By TFTP, a path. */
  loaderPath: (mac: Mac, file: string) => string;
  script: (mac: Mac) => string;
};

/** All that a decision looks at besides the request and the time. */
export type DhcpView = { directory: Directory; leases: LeaseTable; site: DhcpSite };
