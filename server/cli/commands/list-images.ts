import type { Command } from "commander";
import type { ImageVersion } from "../../model/image.ts";
import { act, type CommandText, define } from "../define.ts";
import { formatAge, formatBytes } from "../format.ts";
import type { Surroundings } from "../run.ts";
import { type Column, renderTable } from "../table.ts";

const text: CommandText = {
  summary: "list node images and their versions",
  description: `Lists the versions of node images in the image store. A node that names only an image boots its current version; NAME@VERSION, as printed here, pins one.`,
  examples: [
    ["provision list-images", "every version"],
    ["provision set-node n001 --image debian-13@20261122-3f9a1c04", "pin one of them"],
  ],
};

/** `provision list-images` */
export function addListImages(program: Command, surroundings: Surroundings): void {
  const command = define(program, "list-images", text);
  act(command, text, "reads", surroundings, async (run) => {
    const answer = await run.head((head) => head.images());
    if (run.options.json === true) run.json(answer);
    else if (answer.images.length === 0) {
      run.terminal.err("no image yet; try: sudo provision build-image debian-13");
    } else run.terminal.out(renderTable(imageColumns(Date.now()), answer.images, run.terminal));
  });
}

function imageColumns(nowMs: number): readonly Column<ImageVersion>[] {
  return [
    { title: "IMAGE", value: (image) => `${image.name}@${image.version}` },
    {
      title: "CURRENT",
      value: (image) => (image.current ? "current" : "-"),
      style: (image) => (image.current ? "green" : "dim"),
    },
    { title: "ARCH", value: (image) => image.architecture },
    { title: "KERNEL", value: (image) => image.kernelVersion, least: 10 },
    { title: "SIZE", value: (image) => formatBytes(image.bytes), align: "right" },
    { title: "BUILT", value: (image) => formatAge(image.builtAtMs, nowMs), align: "right" },
  ];
}
