import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../server/lib/clock.ts";
import { messageOf } from "../../server/lib/errors.ts";
import { parseIpv4, parseSubnet } from "../../server/lib/ipv4.ts";
import { silentLog } from "../../server/lib/log.ts";
import { rootMount, sharedMount } from "../../server/nfs/exports.ts";
import { createNfsServer } from "../../server/nfs/server.ts";

/**
 * Proves the kernel backend on a machine whose kernel has nfsd and an NFS client: a booted node of the Debian 13 image.
 * To be bundled into one file (esbuild --bundle --platform=node --format=esm) and run there as root:
 *
 *     node kernel-nfs-driver.mjs [ADDRESS SUBNET]        127.0.0.1 127.0.0.0/8 unless told otherwise
 *
 * Its last line of output is the verdict: {"passed":true,"steps":[{"name":…,"ms":…}]} or, where it stopped, the error.
 */
const base = "/run/provision-kernel-nfs";
const address = parseIpv4(process.argv[2] ?? "127.0.0.1");
const subnet = parseSubnet(process.argv[3] ?? "127.0.0.0/8");
if (address === undefined || subnet === undefined)
  throw new Error("usage: kernel-nfs-driver [ADDRESS SUBNET]");

const images = path.join(base, "images");
const shared = path.join(base, "shared");
const root = path.join(images, "debian-13/20260101-00000000/rootfs");
const mounts = { images: path.join(base, "mnt-images"), shared: path.join(base, "mnt-shared") };

const server = createNfsServer({
  config: {
    address,
    networks: [{ subnet }],
    imageStore: images,
    sharedDirectory: shared,
    stateDirectory: path.join(base, "state"),
    nfs: { backend: "kernel" },
    ports: { dhcp: 67, bootServer: 4011, tftp: 69, http: 8080, nfs: 2049 },
  },
  log: silentLog,
  clock: systemClock,
  searchPath: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
});

function run(file: string, ...args: readonly string[]): string {
  return execFileSync(file, args, { encoding: "utf8", timeout: 60_000, stdio: ["ignore", "pipe", "pipe"] });
}

function expect(what: string, truth: boolean): void {
  if (!truth) throw new Error(`not so: ${what}`);
}

/** The errno name with which an operation fails; undefined when it succeeds. */
function failure(act: () => void): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : messageOf(error);
  }
}

async function until(what: string, seconds: number, look: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < seconds * 5; attempt += 1) {
    if (await look()) return;
    await sleep(200);
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

async function served(): Promise<boolean> {
  return (await server.checkExports()).every((check) => check.ok);
}

const threads = (): number => Number(readFileSync("/proc/fs/nfsd/threads", "utf8"));
const exported = (): string => run("exportfs", "-v");

const steps: readonly [name: string, act: () => void | Promise<void>][] = [
  [
    "prepare",
    () => {
      // The root of a node is an overlay, which the kernel does not export.
      mkdirSync(base, { recursive: true });
      run("mount", "-t", "tmpfs", "-o", "mode=0755", "provision-kernel-nfs", base);
      mkdirSync(root, { recursive: true });
      mkdirSync(mounts.images);
      mkdirSync(mounts.shared);
      writeFileSync(path.join(root, "secret"), "of root\n", { mode: 0o600 });
    },
  ],
  [
    "start",
    async () => {
      await server.start();
      const { state, backend, message } = server.status();
      expect(`running, but ${state}: ${message}`, state === "running" && backend === "kernel");
      expect("nfsd has threads", threads() > 0);
    },
  ],
  ["exports answer", () => until("both are served", 30, served)],
  [
    "mount the image store",
    () => {
      const { source, options } = rootMount(server.exports, root);
      // For writing, so that it is the server that refuses.
      run("mount", "-t", "nfs4", "-o", options.replace(/^ro,/, "rw,"), source, mounts.images);
    },
  ],
  [
    "root reads every file of an image",
    () => {
      expect("the file", readFileSync(path.join(mounts.images, "secret"), "utf8") === "of root\n");
    },
  ],
  [
    "nobody writes into an image",
    () => {
      const errno = failure(() => writeFileSync(path.join(mounts.images, "new"), ""));
      expect(`EROFS, but ${errno}`, errno === "EROFS");
    },
  ],
  [
    "mount the shared directory",
    () => {
      const { source, options } = sharedMount(server.exports);
      run("mount", "-t", "nfs4", "-o", options, source, mounts.shared);
    },
  ],
  [
    "root of a node writes into it as nobody",
    () => {
      writeFileSync(path.join(mounts.shared, "file"), "written\n");
      const { uid, gid } = statSync(path.join(shared, "file"));
      expect(`nobody, but ${uid}:${gid}`, uid === 65534 && gid === 65534);
      expect("the file", readFileSync(path.join(shared, "file"), "utf8") === "written\n");
    },
  ],
  [
    "a new image version is seen without a reload",
    async () => {
      const place = path.join(images, "debian-13/20260102-00000000/rootfs");
      mkdirSync(place, { recursive: true });
      writeFileSync(path.join(place, "file"), "second\n");
      const { source, options } = rootMount(server.exports, place);
      const mount = path.join(base, "mnt-second");
      mkdirSync(mount);
      run("mount", "-t", "nfs4", "-o", options, source, mount);
      expect("the file", readFileSync(path.join(mount, "file"), "utf8") === "second\n");
      run("umount", mount);
    },
  ],
  [
    "a killed mountd is started again",
    async () => {
      const before = server.status().pid ?? 0;
      process.kill(before, "SIGKILL");
      await until("a new one", 20, () => {
        const { state, pid } = server.status();
        return state === "running" && pid !== undefined && pid !== before;
      });
      expect(
        "it can still be read",
        readFileSync(path.join(mounts.images, "secret"), "utf8") === "of root\n",
      );
    },
  ],
  [
    "exports that someone takes away are put back",
    async () => {
      run("exportfs", "-ua");
      expect("they are gone", !exported().includes(images));
      await until("they are back", 60, () => exported().includes(images) && exported().includes(shared));
      await until("they are served", 30, served);
    },
  ],
  [
    "stop",
    async () => {
      run("umount", mounts.images);
      run("umount", mounts.shared);
      await server.stop();
      expect(`nothing is exported, but ${exported()}`, exported().trim() === "");
      expect(`no threads, but ${threads()}`, threads() === 0);
      expect("no mountd", spawnSync("pgrep", ["-x", "rpc.mountd"]).status !== 0);
      expect("no note of it", !existsSync(path.join(base, "state/nfs/child.json")));
      const etc = existsSync("/etc/exports") ? readFileSync("/etc/exports", "utf8") : "";
      expect("/etc/exports is as it was", !etc.includes(base));
    },
  ],
];

const done: { name: string; ms: number }[] = [];
let failed: { step: string; error: string; status: unknown } | undefined;
for (const [name, act] of steps) {
  const startedAtMs = Date.now();
  try {
    await act();
    done.push({ name, ms: Date.now() - startedAtMs });
    process.stderr.write(`ok ${name} (${Date.now() - startedAtMs} ms)\n`);
  } catch (error) {
    failed = { step: name, error: messageOf(error), status: server.status() };
    break;
  }
}
if (failed !== undefined) {
  for (const mount of Object.values(mounts)) spawnSync("umount", ["-f", "-l", mount]);
  await server.stop().catch(() => undefined);
}
spawnSync("umount", ["-l", base]);
process.stdout.write(`${JSON.stringify({ passed: failed === undefined, steps: done, ...failed })}\n`);
process.exit(failed === undefined ? 0 : 1);
