import { execFile } from "node:child_process";

/** systemctl answers in milliseconds; under emulation, in some hundreds. */
const limitMs = 2000;

/**
 * True when the machine is on its way down, false when only the agent is (`systemctl restart`): both look like SIGTERM.
 * shutdown.target has a job, or is active, from the moment a power-off, reboot or halt is asked for, and every such act
 * passes through it. Not `systemctl is-system-running`, which says "starting" of a machine that is told to stop before
 * its boot is done, as it is while /shared is still being mounted.
 */
export async function machineStops(ask: () => Promise<string> = askSystemd): Promise<boolean> {
  try {
    return readsAsStopping(await ask());
  } catch {
    return false; // no systemd, or no answer: being found lost later is better than a wrong "down"
  }
}

/** Of the lines `Job=123` (absent or 0: none) and `ActiveState=inactive`. */
export function readsAsStopping(properties: string): boolean {
  return /^Job=[1-9]/m.test(properties) || /^ActiveState=(?:active|activating)$/m.test(properties);
}

function askSystemd(): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const args = ["show", "--property=Job", "--property=ActiveState", "shutdown.target"];
  execFile("systemctl", args, { timeout: limitMs }, (error, stdout) =>
    error ? reject(error) : resolve(stdout),
  );
  return promise;
}
