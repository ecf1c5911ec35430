import type { Hardware } from "./contract.ts";
import { shortText } from "./short-text.ts";

type Cpu = Hardware["cpu"];

/** Where one hardware thread sits: /sys/devices/system/cpu/cpuN/topology. */
export type ThreadPlace = { socket: number; core: number };

/** `implementer` and `part` of an arm64 processor, as the MIDR_EL1 register has them (Linux: asm/cputype.h). */
const armModels: Readonly<Record<string, string>> = {
  "0x41 0xd03": "Arm Cortex-A53",
  "0x41 0xd05": "Arm Cortex-A55",
  "0x41 0xd07": "Arm Cortex-A57",
  "0x41 0xd08": "Arm Cortex-A72",
  "0x41 0xd09": "Arm Cortex-A73",
  "0x41 0xd0b": "Arm Cortex-A76",
  "0x41 0xd0c": "Arm Neoverse-N1",
  "0x41 0xd40": "Arm Neoverse-V1",
  "0x41 0xd49": "Arm Neoverse-N2",
  "0x41 0xd4f": "Arm Neoverse-V2",
  "0x43 0x0a1": "Cavium ThunderX",
  "0x43 0x0af": "Cavium ThunderX2",
  "0x48 0xd01": "HiSilicon TSV110",
  "0xc0 0xac3": "Ampere-1",
  "0xc0 0xac4": "Ampere-1a",
};

/**
 * /proc/cpuinfo of x86 and arm64. `places` say how the threads share cores and sockets; where they are missing, an x86 text
 * says so itself, and an arm64 one does not: then every thread is a core of one socket. 0 MHz: not known.
 */
export function parseCpu(text: string, places: readonly ThreadPlace[] = []): Cpu {
  const blocks = text
    .trim()
    .split(/\n\s*\n/)
    .map(parseBlock)
    .filter((block) => block.has("processor"));
  const [first = new Map<string, string>()] = blocks;
  const threads = blocks.length;
  const known = places.length === threads ? places : blocks.flatMap(placeOf);
  const shape = known.length === threads && threads > 0 ? countShape(known) : { sockets: 1, cores: threads };
  return {
    model: shortText(modelOf(first)) ?? "unknown",
    ...shape,
    threads,
    mhz: Math.round(Number(first.get("cpu MHz") ?? 0)) || 0,
  };
}

function parseBlock(block: string): Map<string, string> {
  const pairs = block.split("\n").map((line): [string, string] => {
    const colon = line.indexOf(":");
    return colon === -1 ? ["", ""] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
  return new Map(pairs);
}

function placeOf(block: Map<string, string>): ThreadPlace[] {
  const socket = block.get("physical id");
  const core = block.get("core id");
  return socket === undefined || core === undefined ? [] : [{ socket: Number(socket), core: Number(core) }];
}

/** Core numbers start anew in each socket. */
function countShape(places: readonly ThreadPlace[]): { sockets: number; cores: number } {
  return {
    sockets: new Set(places.map(({ socket }) => socket)).size,
    cores: new Set(places.map(({ socket, core }) => `${socket}:${core}`)).size,
  };
}

function modelOf(block: Map<string, string>): string {
  const name = block.get("model name");
  if (name !== undefined) return name;
  const implementer = block.get("CPU implementer");
  const part = block.get("CPU part");
  if (implementer === undefined || part === undefined) return "unknown";
  return armModels[`${implementer} ${part}`] ?? `arm64 implementer ${implementer} part ${part}`;
}
