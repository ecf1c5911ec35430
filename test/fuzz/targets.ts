import type { FuzzTarget } from "./fuzzer.ts";
import { dhcpCodec, dhcpDecisions, dhcpOptions } from "./targets/dhcp.ts";
import { dhcp6Decisions, routerSolicitation } from "./targets/dhcp6.ts";
import { httpRequest, simulatedNode } from "./targets/http.ts";
import { bootPath, configuration, nodeRange, nodeSettings, rpcReply } from "./targets/text.ts";
import { tftpCodec, tftpTransfer } from "./targets/tftp.ts";

/** Everything that reads what comes from outside. */
export const fuzzTargets: readonly FuzzTarget[] = [
  dhcpCodec,
  dhcpOptions,
  dhcpDecisions,
  dhcp6Decisions,
  routerSolicitation,
  tftpCodec,
  tftpTransfer,
  rpcReply,
  nodeRange,
  bootPath,
  configuration,
  nodeSettings,
  httpRequest,
  simulatedNode,
];
