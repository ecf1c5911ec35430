import type { Readable } from "node:stream";

/** A process as execa starts it. */
type Child = PromiseLike<unknown> & { stderr: Readable | null; kill: (signal: NodeJS.Signals) => boolean };

/** Somebody else's DHCP server of 10.77.0.0/24, which knows nothing of booting. */
export const foreignServer = "10.77.0.254";

/**
 * dnsmasq on `eth0` of a namespace: 10.77.0.100 to .150, and the addresses reserved by MAC. Resolves when it serves.
 */
export async function startDnsmasq(
  spawn: (argv: readonly string[]) => Child,
  reserved: Readonly<Record<string, string>>,
): Promise<{ stop: () => Promise<void> }> {
  const argv = ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=eth0"];
  const hosts = Object.entries(reserved).map(([mac, ip]) => `--dhcp-host=${mac},${ip}`);
  const files = ["--dhcp-leasefile=/dev/null", "--pid-file=", "--user=root"];
  // Not asking the wire whether an address is free saves 3 s an offer.
  const how = ["--dhcp-range=10.77.0.100,10.77.0.150,1h", "--dhcp-authoritative", "--no-ping"];
  const child = spawn([...argv, ...how, ...hosts, ...files]);
  let said = "";
  const ready = new Promise<void>((resolve) => {
    child.stderr?.on("data", (text: Buffer) => {
      said += text.toString();
      if (said.includes("DHCP, IP range")) resolve();
    });
  });
  const isReady = await Promise.race([ready.then(() => true), child.then(() => false)]);
  if (!isReady) throw new Error(`dnsmasq ended: ${said}`);
  return {
    stop: async () => {
      child.kill("SIGKILL");
      await child;
    },
  };
}
