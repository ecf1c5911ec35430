import type { Command } from "commander";
import type { LeaseAnswer } from "../../model/answers.ts";
import { act, type CommandText, define } from "../define.ts";
import { formatAge } from "../format.ts";
import type { Surroundings } from "../run.ts";
import { type Column, renderTable } from "../table.ts";

const text: CommandText = {
  summary: "list addresses handed out by DHCP",
  description: `Lists the addresses that were handed out, by whom they are held and until when. ORIGIN is reserved for a node's own address, pool for one of the pool. STATE is bound, released (given back), declined (the machine found it in use; nobody gets it until it expires) or expired. Beside another DHCP server (dhcp.mode proxy) the head hands out none.`,
  examples: [
    ["provision list-leases", "every lease"],
    ["provision list-leases --json | jq '.leases[] | select(.origin == \"pool\")'", "those of the pool"],
  ],
};

/** `provision list-leases` */
export function addListLeases(program: Command, surroundings: Surroundings): void {
  const command = define(program, "list-leases", text);
  act(command, text, "reads", surroundings, async (run) => {
    const answer = await run.head((head) => head.leases());
    if (run.options.json === true) run.json(answer);
    else if (answer.leases.length === 0) run.terminal.err("no address has been handed out yet");
    else run.terminal.out(renderTable(leaseColumns(Date.now()), answer.leases, run.terminal));
  });
}

function leaseColumns(nowMs: number): readonly Column<LeaseAnswer>[] {
  const state = (lease: LeaseAnswer): string => (lease.expired ? "expired" : lease.state);
  return [
    { title: "ADDRESS", value: (lease) => lease.ip },
    { title: "MAC", value: (lease) => lease.mac },
    { title: "NODE", value: (lease) => lease.node ?? "-" },
    { title: "ORIGIN", value: (lease) => lease.origin },
    {
      title: "STATE",
      value: state,
      style: (lease) => (lease.state === "declined" ? "red" : state(lease) === "bound" ? "green" : "dim"),
    },
    { title: "HOST NAME", value: (lease) => lease.hostname ?? "-", least: 9 },
    { title: "EXPIRES", value: (lease) => formatAge(lease.expiresAtMs, nowMs), align: "right" },
  ];
}
