import { execFile } from "node:child_process";

/** systemctl answers in milliseconds, on an emulated and overloaded node in seconds. systemd would wait for 90 s. */
const limitMs = 15_000;

/**
 * True when the machine is on its way down, false when only the agent is (`systemctl restart`): both look like SIGTERM.
 * shutdown.target has a job, or is active, from the moment a power-off, reboot or halt is asked for, and every such act
 * passes through it. Not `systemctl is-system-running`, which says "starting" of a machine that is told to stop before
 * its boot is done, as it is while /shared is still being mounted.
 */
export async function machineStops(say: (line: string) => void, ask = askSystemd): Promise<boolean> {
  try {
    return readsAsStopping(await ask());
  } catch (error) {
    // To be found lost later is better than a wrong "down".
    say(
      `cannot ask systemd whether the machine stops: ${error instanceof Error ? error.message : String(error)}`,
    );
    return false;
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
