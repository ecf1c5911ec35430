import { openConfined } from "../../server/boot/confined-file.ts";
import type { Ip } from "../../server/lib/ipv6.ts";
import { silentLog } from "../../server/lib/log.ts";
import { createTftpServer } from "../../server/tftp/server.ts";

/**
 * A head that is nothing but its TFTP server, to be run in a namespace: device, address and root directory are the
 * arguments. It says `ready`, then every fetch as a line of JSON.
 */
const [device = "", address = "", root = ""] = process.argv.slice(2);
const server = createTftpServer({
  device,
  address: address as Ip,
  port: 69,
  open: (path) => openConfined(root, path),
  onFetched: (fetch) => process.stdout.write(`${JSON.stringify(fetch)}\n`),
  log: silentLog,
  clock: { nowMs: () => performance.now() },
});
await server.start();
process.stdout.write("ready\n");
