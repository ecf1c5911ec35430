import type { Config } from "../config/config.ts";
import type { Clock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import { ipv4ToNumber } from "../lib/ipv4.ts";
import type { Log } from "../lib/log.ts";
import { type AddressProbe, openAddressProbe } from "../net/address-probe.ts";
import { type LinkSender, openLinkSender } from "../net/link-sender.ts";
import { ConflictCheck } from "./conflict-check.ts";

/** What sockets of this kind are opened with; the functions that open them are the tests' to replace. */
export type RawSocketOptions = {
  config: Pick<Config, "interface" | "address" | "ports"> & {
    dhcp: Pick<Config["dhcp"], "probe" | "broadcast">;
  };
  log: Log;
  clock: Clock;
  /** Default: by ARP on the interface and ICMP beyond it. */
  openProbe?: (device: string) => AddressProbe;
  /** Default: a packet socket of the interface. */
  openLink?: typeof openLinkSender;
};

/** Undefined where it is not wanted or not allowed: addresses are then offered without looking. */
export function openConflictCheck(options: RawSocketOptions): ConflictCheck | undefined {
  const { config, clock, log, openProbe = openAddressProbe } = options;
  if (config.dhcp.probe === "off") return undefined;
  return orWithout(
    log,
    "addresses of pools are offered without looking whether they are in use",
    () => new ConflictCheck(openProbe(config.interface), () => clock.nowMs()),
  );
}

/** Undefined where it is not wanted or not allowed: clients without an address are then answered by broadcast. */
export function openReplyLink(options: RawSocketOptions): LinkSender | undefined {
  const { config, log, openLink = openLinkSender } = options;
  if (config.dhcp.broadcast === "always") return undefined;
  return orWithout(log, "clients that have no address yet are answered by broadcast", () =>
    openLink(config.interface, { address: ipv4ToNumber(config.address), port: config.ports.dhcp }),
  );
}

function orWithout<T>(log: Log, lack: string, open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    log.warn({ error: messageOf(error) }, `DHCP: ${lack}`);
    return undefined;
  }
}
