import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import { exportsOf } from "../../../server/nfs/exports.ts";
import { ganeshaConfig } from "../../../server/nfs/ganesha-config.ts";

const exports = exportsOf({
  address: "10.0.1.1" as Ipv4,
  networks: [
    { subnet: { base: "10.0.0.0" as Ipv4, bits: 16 } },
    { subnet: { base: "10.77.0.0" as Ipv4, bits: 24 } },
  ],
  imageStore: "/var/lib/provision/images",
  sharedDirectory: "/srv/shared",
  stateDirectory: "/var/lib/provision/state",
  ports: { dhcp: 67, bootServer: 4011, tftp: 69, http: 8080, nfs: 12049 },
});
const text = ganeshaConfig(exports, "/var/lib/provision/state/nfs/recovery");
const blocks = text.split(/^EXPORT /m).slice(1);

describe("Ganesha's configuration", () => {
  it("listens on the head's address and port only, by NFSv4 only", () => {
    assert.match(
      text,
      /NFS_CORE_PARAM \{[^}]*Protocols = 4;[^}]*Bind_addr = 10\.0\.1\.1;[^}]*NFS_Port = 12049;/,
    );
    assert.match(text, /RecoveryRoot = "\/var\/lib\/provision\/state\/nfs\/recovery";/);
  });

  it("exports the images read-only, with the root of nodes as root", () => {
    const block = blocks[0] ?? "";
    assert.match(
      block,
      /Path = "\/var\/lib\/provision\/images";\n {2}Pseudo = "\/var\/lib\/provision\/images";/,
    );
    assert.match(
      block,
      /CLIENT \{\n {4}Clients = 10\.0\.0\.0\/16, 10\.77\.0\.0\/24;\n {4}Access_Type = RO;\n {4}Squash = No_Root_Squash;/,
    );
  });

  it("exports the shared directory for writing, with the root of nodes as nobody", () => {
    const block = blocks[1] ?? "";
    assert.match(block, /Path = "\/srv\/shared";/);
    assert.match(block, /Access_Type = RW;\n {4}Squash = Root_Squash;\n {4}Anonymous_Uid = 65534;/);
  });

  it("gives nothing to others than the subnets, and nothing to unprivileged ports", () => {
    assert.equal(blocks.length, 2);
    for (const block of blocks) {
      assert.match(block, /^ {2}Access_Type = None;$/m);
      assert.equal(block.match(/PrivilegedPort = true;/g)?.length, 2);
    }
  });

  it("lets release 6 go on where it may not mark itself, in a word that release 4 does not know", () => {
    const option = /^ {2}Allow_Set_Io_Flusher_Fail = true;$/m;
    assert.doesNotMatch(text, option);
    assert.doesNotMatch(ganeshaConfig(exports, "/r", 4), option);
    assert.match(ganeshaConfig(exports, "/r", 6), option);
  });
});
