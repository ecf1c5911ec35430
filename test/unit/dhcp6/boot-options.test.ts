import assert from "node:assert/strict";
import { test } from "node:test";
import { bootOptions6 } from "../../../server/dhcp6/boot-answer.ts";
import type { Client6 } from "../../../server/dhcp6/client.ts";
import { optionCodes } from "../../../server/dhcp6/packet.ts";
import { architectureOf } from "../../../server/model/arch.ts";

test("a vendor class goes to HTTP Boot alone: EDK2's PXE would ask port 4011 for the file instead of taking the URL", () => {
  const answer = { kind: "url", url: "tftp://[fd77::1]/boot/x" } as const;
  const codes = (transport: "http" | "tftp", code: number): number[] => {
    const client = { kind: "firmware", architecture: architectureOf(code), transport, enterprise: 343 };
    return bootOptions6(answer, client as Client6).map((option) => option.code);
  };
  assert.deepEqual(codes("tftp", 7), [optionCodes.bootFileUrl]);
  assert.deepEqual(codes("http", 16), [optionCodes.bootFileUrl, optionCodes.vendorClass]);
});
