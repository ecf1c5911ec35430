import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AppError } from "../../../server/lib/errors.ts";
import { type ServersFound, chooseBackend } from "../../../server/nfs/choice.ts";

const both: ServersFound = {
  kernel: { module: true, missing: [], namespaced: false },
  ganesha: { program: "/usr/bin/ganesha.nfsd", vfs: true },
};
const noKernel: ServersFound = { ...both, kernel: { ...both.kernel, module: false } };
const noGanesha: ServersFound = { ...both, ganesha: { vfs: false } };

function refusal(wanted: "auto" | "ganesha" | "kernel", found: ServersFound): AppError {
  try {
    chooseBackend(wanted, found);
  } catch (error) {
    assert.ok(error instanceof AppError);
    assert.equal(error.code, "environment");
    return error;
  }
  return assert.fail("nothing was refused");
}

describe("choice of the NFS server", () => {
  it("prefers the kernel's, and takes Ganesha where that is not to be had", () => {
    assert.equal(chooseBackend("auto", both), "kernel");
    assert.equal(chooseBackend("auto", noKernel), "ganesha");
    assert.equal(
      chooseBackend("auto", { ...both, kernel: { ...both.kernel, missing: ["exportfs"] } }),
      "ganesha",
    );
    assert.equal(chooseBackend("auto", { ...both, kernel: { ...both.kernel, namespaced: true } }), "ganesha");
  });

  it("takes the one that is asked for", () => {
    assert.equal(chooseBackend("ganesha", both), "ganesha");
    assert.equal(chooseBackend("kernel", both), "kernel");
    assert.equal(chooseBackend("kernel", noGanesha), "kernel");
  });

  it("names the package when there is neither", () => {
    const error = refusal("auto", { ...noKernel, ganesha: { vfs: false } });
    assert.match(error.message, /no nfsd module.*ganesha\.nfsd not installed/);
    assert.equal(error.hint, "apt-get install nfs-ganesha nfs-ganesha-vfs");
  });

  it("names what keeps the asked-for one from being used, and takes no other", () => {
    assert.match(refusal("kernel", noKernel).message, /no nfsd module/);
    assert.match(refusal("kernel", noKernel).hint ?? "", /nfs\.backend/);
    const missing = refusal("kernel", {
      ...both,
      kernel: { ...both.kernel, missing: ["exportfs", "rpc.nfsd"] },
    });
    assert.match(missing.message, /exportfs, rpc\.nfsd not installed/);
    assert.equal(missing.hint, "apt-get install nfs-kernel-server");
    assert.match(refusal("ganesha", noGanesha).hint ?? "", /nfs-ganesha/);
    assert.match(
      refusal("ganesha", { ...both, ganesha: { program: "/x", vfs: false } }).message,
      /VFS module/,
    );
  });
});
