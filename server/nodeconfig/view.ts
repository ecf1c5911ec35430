import { AppError, type Fault } from "../lib/errors.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import { type ClusterNode, isNodeName, type SshHostKey } from "../model/node.ts";
import type { ClusterFiles } from "./cluster-files.ts";

/** All that the files of one node depend on. */
export type OverlayInput = {
  node: ClusterNode;
  sshHostKey: SshHostKey;
  /** The whole inventory, in the order in which files shall list it. */
  nodes: readonly ClusterNode[];
  head: {
    name: string;
    address: Ipv4;
    /** Empty: the cluster has none, names are short. */
    domain: string;
    /** Where nodes reach the head by HTTP, without a path: `http://10.0.1.1:8080`. */
    url: string;
  };
  /** One public key a line of authorized_keys(5). */
  authorizedKeys: readonly string[];
  /** This boot's token (agent/contract.ts). */
  token: string;
  /** The agent in one file (agent-bundle.ts). */
  agentBundle: Uint8Array;
  /** What /shared is mounted from (`10.0.1.1:/shared`), and the options that the NFS server needs (`vers=4.1`). */
  sharedMount: { source: string; options: string };
  /** Empty: the node has no resolver. */
  dns: readonly Ipv4[];
};

/** What a node's templates may say: `templates/node/*.hbs` can use these names and no others. */
export type NodeView = {
  node: { name: string; ip: string; macs: readonly string[]; machineId: string; groups: readonly string[] };
  /** Where the node speaks to the head (agent/contract.ts). */
  url: string;
  token: string;
  head: { name: string; address: string; url: string };
  domain: string | null;
  dns: readonly string[];
  authorizedKeys: readonly string[];
  shared: { source: string; target: string; options: string };
  nodes: readonly { name: string; ip: string; hostKey: string }[];
};

/** Where nodes have the cluster's common work space. */
const sharedTarget = "/shared";

/** The view of one node. Refuses, with every fault, what would make a file say something else than it should. */
export function nodeView(input: OverlayInput, cluster: ClusterFiles): NodeView {
  const faults = [...inputFaults(input), ...cluster.faults(input.nodes)];
  if (faults.length > 0) {
    throw new AppError("invalid", `the files of ${JSON.stringify(input.node.name)} cannot be made`, {
      faults,
    });
  }
  const { node, head, token, dns, authorizedKeys, sharedMount } = input;
  return {
    node: { name: node.name, ip: node.ip, macs: node.macs, machineId: node.machineId, groups: node.groups },
    url: `${head.url}/node/${node.name}`,
    token,
    head: { name: head.name, address: head.address, url: head.url },
    domain: head.domain === "" ? null : head.domain,
    dns,
    authorizedKeys,
    shared: { ...sharedMount, target: sharedTarget },
    get nodes() {
      return input.nodes.map(({ name, ip, sshPublicKey }) => ({
        name,
        ip,
        hostKey: withoutComment(sshPublicKey),
      }));
    },
  };
}

/** `ssh-ed25519 AAAA…`: known_hosts(5) has no use for the comment. */
function withoutComment(publicKey: string): string {
  return publicKey.split(" ", 2).join(" ").trim();
}

function inputFaults(input: OverlayInput): readonly Fault[] {
  const faults: Fault[] = [];
  const want = (holds: boolean, place: string, message: string): void => {
    if (!holds) faults.push({ place, message });
  };
  const { node, head, sharedMount } = input;
  want(/^[0-9a-f]{32}$/.test(node.machineId), `${node.name}.machineId`, "not 32 hexadecimal digits");
  want(isLine(input.token) && input.token !== "", "token", "not one line of text");
  want(/^http:\/\/[^\s/]+$/.test(head.url), "head.url", `not http://HOST:PORT: ${head.url}`);
  want(isNodeName(head.name), "head.name", `no host name: ${head.name}`);
  want(head.domain === "" || isDomain(head.domain), "head.domain", `no domain name: ${head.domain}`);
  want(/^\S+:\/\S*$/.test(sharedMount.source), "sharedMount.source", `not HOST:/PATH: ${sharedMount.source}`);
  want(/^\S+$/.test(sharedMount.options), "sharedMount.options", "not a list of mount options");
  for (const [index, key] of input.authorizedKeys.entries()) {
    want(isLine(key), `authorizedKeys.${index}`, "not one line of text");
  }
  want(isNodeName(node.name), "node.name", `no host name: ${node.name}`);
  return faults;
}

function isLine(text: string): boolean {
  return !/[\n\r\0]/.test(text);
}

function isDomain(text: string): boolean {
  return text.split(".").every(isNodeName);
}
