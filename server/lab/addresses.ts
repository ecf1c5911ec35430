import { type Mac, parseMac } from "../lib/mac.ts";
import { type Ipv4, ipv4FromNumber, ipv4ToNumber, parseIpv4 } from "../lib/ipv4.ts";
import { AppError } from "../lib/errors.ts";

/** The lab's own network; it is in a namespace, so it may exist outside too. */
export const labNetwork = {
  bridge: "br0",
  address: "10.77.0.1",
  prefixBits: 24,
  subnet: "10.77.0.0/24",
  pool: "10.77.0.200-10.77.0.249",
  domain: "lab.lan",
} as const;

/** Node addresses end below the pool. */
export const maxMachines = 100;

/** `n001` for the first. */
export function machineName(index: number): string {
  return `n${String(index).padStart(3, "0")}`;
}

/** QEMU's vendor prefix, then the lab's own `00:77`. */
export function machineMac(index: number): Mac {
  const mac = parseMac(`52:54:00:77:${hexByte(index >> 8)}:${hexByte(index & 255)}`);
  if (mac === undefined) throw new AppError("internal", `no MAC address for machine ${index}`);
  return mac;
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, "0");
}

/** 10.77.0.11 for the first. */
export function machineIp(index: number): Ipv4 {
  const base = parseIpv4("10.77.0.10");
  if (base === undefined || index < 1 || index > maxMachines) {
    throw new AppError("invalid", `a lab has at most ${maxMachines} machines`);
  }
  return ipv4FromNumber(ipv4ToNumber(base) + index);
}

/** The machine's network device in the namespace. */
export function tapName(index: number): string {
  return `tap${index}`;
}
