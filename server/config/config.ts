import type { Ipv4, Subnet } from "../lib/ipv4.ts";
import type { Ipv6 } from "../lib/ipv6.ts";
import type { LoaderKind } from "../model/arch.ts";
import type { Network } from "../model/network.ts";
import type { DhcpOption } from "../model/node.ts";

/** The head's configuration after every check: `load.ts` makes it, nothing changes it. */
export type Config = {
  /** The file it came from. */
  file: string;
  /** The one interface that is served. */
  interface: string;
  /** The head's own address on it. */
  address: Ipv4;
  /** The network of that interface: the subnet of `networks[0]`. */
  subnet: Subnet;
  /** Every network that is served, the interface's own first; no two overlap. */
  networks: readonly [Network, ...Network[]];
  dhcp: {
    /**
     * `server`: the head gives out the addresses of these networks. `proxy`: another DHCP server does, and the head only
     * tells machines what to boot; there are no pools then.
     */
    mode: "server" | "proxy";
    /** Whether an address of a pool is asked for on the wire before it is offered to a machine that never had it. */
    probe: "auto" | "off";
    /** Which clients without an address are answered by broadcast: those that ask for it by their flag, or all. */
    broadcast: "asked" | "always";
  };
  /** DHCP options of every client, unless its network, its group or itself has another value. */
  options: readonly DhcpOption[];
  /** False: another DHCP server may know addresses that we do not, so what we do not know is not refused. */
  authoritative: boolean;
  /** The domain of every node's full name. */
  domain: string;
  /** The head's own IPv6 address, of the nodes' network of 64 bits, and their name servers; absent: no IPv6. */
  ipv6?: { address: Ipv6; dns: readonly Ipv6[] };
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
  /** The loader that machines are given. */
  loader: LoaderKind;
  /** Where undionly.kpxe and its like lie. */
  loaderDirectory: string;
  /** Boot files of Raspberry Pis, offered by TFTP below its own paths; absent: they are given nothing to boot. */
  raspberryPiDirectory?: string;
  /** A public key a line, put into every node's root account. */
  authorizedKeys: readonly string[];
  kernelArguments: readonly string[];
  boot: {
    /** Machines that fetch kernel and initrd at a time; the others wait in line. */
    concurrent: number;
    /** Memory for the files that nodes boot from, in MiB. */
    cacheMebibytes: number;
  };
  /** `none`: whoever runs this machine serves the directories himself. */
  nfs: { backend: "auto" | "ganesha" | "kernel" | "none" };
  /** `singlePort`: files leave from the port of the requests, for firewalls; else from ports of their own. */
  tftp: { singlePort: boolean };
  /** `bootServer`: PXE's own port for boot servers and proxyDHCP, 4011. */
  ports: { dhcp: number; bootServer: number; tftp: number; http: number; nfs: number };
};

/** The same head beside another DHCP server: it gives out no addresses. */
export function asProxy(config: Config): Config {
  const withoutPools = (network: Network): Network => ({ ...network, pools: [] });
  const [own, ...further] = config.networks;
  return {
    ...config,
    networks: [withoutPools(own), ...further.map(withoutPools)],
    dhcp: { ...config.dhcp, mode: "proxy" },
  };
}
