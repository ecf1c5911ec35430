import { connect } from "node:net";
import { AppError, messageOf } from "../lib/errors.ts";
import { findMachine } from "./machines.ts";
import { labPaths, machinePaths } from "./paths.ts";
import { isRunning, lastLines } from "../system/processes.ts";

/** Ctrl-], as telnet has it. */
const escapeByte = 0x1d;

/** A terminal, or what stands for one. */
export type ConsoleStreams = {
  stdin: NodeJS.ReadableStream & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };
  stdout: { write: (text: string | Uint8Array) => unknown };
};

/** What is typed before Ctrl-], and whether it came. */
export function splitAtEscape(bytes: Uint8Array): { typed: Uint8Array; left: boolean } {
  const at = bytes.indexOf(escapeByte);
  return at === -1 ? { typed: bytes, left: false } : { typed: bytes.subarray(0, at), left: true };
}

/** Joins a terminal to a machine's serial port until Ctrl-], the end of its input, or the machine's end. */
export async function labConsole(
  name: string,
  machineName: string,
  { stdin, stdout }: ConsoleStreams,
  signal: AbortSignal,
): Promise<void> {
  const machine = findMachine(labPaths(name), machineName);
  const files = machinePaths(labPaths(name), machine.name);
  if (!isRunning(machine.process)) {
    throw new AppError("unavailable", `${machine.name} is off`, {
      hint: `its last words: tail ${files.consoleLog}`,
    });
  }
  stdout.write(`${lastLines(files.consoleLog, 20)}\r\n`);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(files.console);
  const onInput = (chunk: Uint8Array): void => {
    const { typed, left } = splitAtEscape(chunk);
    socket.write(typed);
    if (left) socket.end();
  };
  const onAbort = (): void => void socket.destroy();
  socket.on("data", (chunk) => stdout.write(chunk));
  socket.on("error", (error) =>
    reject(new AppError("unavailable", `${machine.name}'s console: ${messageOf(error)}`, { cause: error })),
  );
  socket.on("close", () => resolve());
  stdin.setRawMode?.(true);
  stdin.on("data", onInput);
  stdin.on("end", () => socket.end());
  signal.addEventListener("abort", onAbort);
  try {
    await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    stdin.off("data", onInput);
    stdin.setRawMode?.(false);
    stdin.pause();
  }
}
