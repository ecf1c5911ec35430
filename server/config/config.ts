import type { Ipv4, Ipv4Range, Subnet } from "../lib/ipv4.ts";

/** The head's configuration after every check: `load.ts` makes it, nothing changes it. */
export type Config = {
  /** The file it came from. */
  file: string;
  /** The one interface that is served. */
  interface: string;
  /** The head's own address on it. */
  address: Ipv4;
  subnet: Subnet;
  dhcp: {
    /**
     * `server`: the head gives out the addresses of this network. `proxy`: another DHCP server does, and the head only
     * tells machines what to boot.
     */
    mode: "server" | "proxy";
  };
  /** For machines that are not in the inventory; absent just where the head gives out no addresses. */
  pool?: Ipv4Range;
  leaseSeconds: number;
  /** Option 15, and the domain of every node's full name. */
  domain: string;
  /** Option 3; absent: nodes get no default route. */
  router?: Ipv4;
  /** Option 6. */
  dns: readonly Ipv4[];
  /** What a machine gets that is not in the inventory: an address and a waiting loader, an address only, nothing. */
  unknownMachines: "wait" | "address" | "ignore";
  /** Image of a node that names none, by itself or through a group. */
  image: string;
  imageStore: string;
  /** Database, backups, NFS server's files. */
  stateDirectory: string;
  /** The API's socket. */
  socket: string;
  /** Directory that nodes mount read-write as /shared. */
  sharedDirectory: string;
  /** Where undionly.kpxe and its like lie. */
  loaderDirectory: string;
  /** Boot files of Raspberry Pis, offered by TFTP below its own paths; absent: they are given nothing to boot. */
  raspberryPiDirectory?: string;
  /** A public key a line, put into every node's root account. */
  authorizedKeys: readonly string[];
  kernelArguments: readonly string[];
  nfs: { backend: "auto" | "ganesha" | "kernel" };
  /** `bootServer`: PXE's own port for boot servers and proxyDHCP, 4011. */
  ports: { dhcp: number; bootServer: number; tftp: number; http: number; nfs: number };
};

/** The same head beside another DHCP server: it gives out no addresses. */
export function asProxy(config: Config): Config {
  const { pool: _, ...others } = config;
  return { ...others, dhcp: { mode: "proxy" } };
}
