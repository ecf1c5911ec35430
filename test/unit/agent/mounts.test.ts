import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { missingMounts } from "../../../agent/mounts.ts";

const fstab = `# The root is mounted by the initrd.
10.0.1.1:/shared /shared nfs4 vers=4.1,hard,bg,_netdev 0 0
10.0.1.1:/home\t/home nfs rw 0 0
# 10.0.1.1:/old /old nfs4 rw 0 0
tmpfs /scratch tmpfs size=1g 0 0
`;

describe("missing mounts", () => {
  it("are the network file systems of fstab that are not mounted", () => {
    const root = "10.0.1.1:/node / nfs4 ro 0 0\n";
    assert.deepEqual(missingMounts(fstab, root), ["/shared", "/home"]);
    assert.deepEqual(missingMounts(fstab, `${root}10.0.1.1:/shared /shared nfs4 rw,vers=4.1 0 0\n`), [
      "/home",
    ]);
    assert.deepEqual(missingMounts("", root), []);
  });
});
