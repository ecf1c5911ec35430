import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { AppError, messageOf } from "../lib/errors.ts";

/** What the control socket says, one JSON object a line (QEMU's QMP). */
type ControlMessage = { QMP?: object; return?: unknown; error?: { desc?: string }; event?: string };

const answerTimeoutMs = 5000;

/** One command to a running QEMU: `system_reset`, `set_link`. @throws AppError("unavailable") */
export async function controlMachine(
  socketPath: string,
  command: string,
  args: Readonly<Record<string, unknown>> = {},
): Promise<unknown> {
  const socket = connect(socketPath);
  const timer = setTimeout(() => socket.destroy(new Error("no answer")), answerTimeoutMs);
  try {
    return await converse(socket, command, args);
  } catch (error) {
    throw new AppError("unavailable", `QEMU at ${socketPath}: ${messageOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

async function converse(socket: Socket, command: string, args: object): Promise<unknown> {
  const say = (execute: string, given: object): void => {
    socket.write(`${JSON.stringify({ execute, arguments: given })}\n`);
  };
  const failed = Promise.withResolvers<never>();
  socket.on("error", failed.reject);
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  /** The next answer; events in between are somebody else's. */
  const answer = async (): Promise<ControlMessage> => {
    for (;;) {
      const line = await Promise.race([lines.next(), failed.promise]);
      if (line.done === true) throw new Error("it has closed the connection");
      const message = JSON.parse(line.value) as ControlMessage;
      if (message.event === undefined) return message;
    }
  };
  await answer(); // its greeting
  say("qmp_capabilities", {});
  await answer();
  say(command, args);
  const { error, return: value } = await answer();
  if (error !== undefined) throw new Error(error.desc ?? "refused");
  return value;
}
