import { option, readOption } from "../dhcp/option-table.ts";
import type { DhcpPacket } from "../dhcp/packet.ts";
import { printPacket } from "../dhcp/print.ts";
import type { TftpPacket } from "../tftp/packet.ts";
import type { Effect, Event } from "./effects.ts";
import type { TranscriptEntry } from "./spec.ts";

/** An effect for people; nothing for what is only one of many of its kind. */
export function entryOfEffect(effect: Effect): TranscriptEntry | undefined {
  switch (effect.kind) {
    case "dhcp": {
      const { packet } = effect;
      return packet && { mark: ">", title: `DHCP ${typeName(packet)}, broadcast`, text: printPacket(packet) };
    }
    case "tftp": {
      const words = effect.packet === undefined ? undefined : tftpWords(effect.packet);
      return words === undefined ? undefined : { mark: ">", title: `TFTP ${words}` };
    }
    case "http": {
      const { method, url, body } = effect.request;
      return { mark: ">", title: `HTTP ${method} ${url}`, ...(body === undefined ? {} : { text: body }) };
    }
    case "address":
      return { mark: "-", title: `has the address ${effect.ip}/${effect.bits}` };
    case "pause": {
      const who = effect.why === "firmware" ? "the firmware waits" : "sleeps, as told,";
      return { mark: "-", title: `${who} ${effect.ms / 1000} s` };
    }
    case "phase":
      return undefined;
    case "note":
      return effect.title === undefined
        ? { mark: "-", title: effect.text }
        : { mark: "-", title: effect.title, text: effect.text };
  }
}

/** What came of an effect, for people. */
export function entryOfEvent(effect: Effect, event: Event, tookMs: number): TranscriptEntry | undefined {
  switch (event.kind) {
    case "dhcp":
      return { mark: "<", title: `DHCP ${typeName(event.packet)}`, text: printPacket(event.packet) };
    case "tftp": {
      const words = tftpWords(event.packet);
      return words === undefined ? undefined : { mark: "<", title: `TFTP ${words}` };
    }
    case "http": {
      const length = event.lengthBytes ?? event.bytes;
      const head = effect.kind === "http" && effect.request.method === "HEAD";
      const size = head ? `${length} bytes announced` : `${event.bytes} bytes`;
      const shown = effect.kind === "http" && (effect.request.want === "text" || event.status >= 400);
      const text = shown && event.body.length > 0 ? Buffer.from(event.body).toString("utf8") : undefined;
      return {
        mark: "<",
        title: `HTTP ${event.status}, ${size} in ${tookMs.toFixed(1)} ms`,
        ...(text === undefined ? {} : { text }),
      };
    }
    case "timeout":
      return { mark: "-", title: `nothing came within ${(tookMs / 1000).toFixed(1)} s` };
    case "broken":
      return { mark: "-", title: event.message };
    case "done":
      return undefined;
  }
}

function typeName(packet: DhcpPacket): string {
  try {
    return readOption(packet.options, option.messageType) ?? "BOOTP";
  } catch {
    return "message";
  }
}

/** Data and acknowledgements are hundreds: their sum is told at the end of a transfer. */
function tftpWords(packet: TftpPacket): string | undefined {
  const options = (list: readonly { name: string; value: string }[]): string =>
    list.map(({ name, value }) => ` ${name}=${value}`).join("");
  switch (packet.kind) {
    case "rrq":
    case "wrq":
      return `${packet.kind.toUpperCase()} ${packet.path} ${packet.mode}${options(packet.options)}`;
    case "oack":
      return `OACK${options(packet.options)}`;
    case "error":
      return `ERROR ${packet.code} ${packet.message}`;
    case "data":
    case "ack":
      return undefined;
  }
}
