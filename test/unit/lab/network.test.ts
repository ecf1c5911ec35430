import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../../../server/config/load.ts";
import { renderConfigFile } from "../../../server/config/template.ts";
import { labNetwork } from "../../../server/lab/addresses.ts";
import { labKernelArguments } from "../../../server/lab/kernel-arguments.ts";
import { networkCommands, tapCommands } from "../../../server/lab/network.ts";
import { inNamespace } from "../../../server/system/namespace.ts";

test("everything is made inside the namespace, so that removing it removes all", () => {
  const [first, ...rest] = networkCommands("provision-lab-x");
  assert.deepEqual(first, ["ip", "netns", "add", "provision-lab-x"]);
  for (const argv of [...rest, ...tapCommands("provision-lab-x", "tap1")]) {
    assert.deepEqual(argv.slice(0, 3), ["ip", "-n", "provision-lab-x"], argv.join(" "));
  }
  assert.deepEqual(inNamespace("ns", ["true"]), ["ip", "netns", "exec", "ns", "true"]);
});

test("a port of the bridge forwards at once", () => {
  const bridge =
    networkCommands("x")
      .find((argv) => argv.includes("bridge"))
      ?.join(" ") ?? "";
  assert.match(bridge, /forward_delay 0/);
  assert.match(bridge, /stp_state 0/);
});

test("the lab's values make a sound configuration, with either accelerator", () => {
  for (const accelerator of ["kvm", "tcg"] as const) {
    const text = renderConfigFile({
      interface: labNetwork.bridge,
      address: labNetwork.address,
      subnet: labNetwork.subnet,
      pool: labNetwork.pool,
      domain: labNetwork.domain,
      kernelArguments: labKernelArguments(accelerator),
    });
    const config = parseConfig(text, "provision.yaml");
    assert.ok(config.kernelArguments.includes("console=ttyS0,115200"));
    assert.equal(config.kernelArguments.includes("provision.hide_libbpf"), accelerator === "tcg");
  }
});
