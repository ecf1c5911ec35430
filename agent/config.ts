import { readFileSync } from "node:fs";
import type { AgentConfig } from "./contract.ts";

/** Reads and checks /etc/provision/agent.json. Throws an Error that names every fault. */
export function loadConfig(file: string): AgentConfig {
  return parseConfig(readFileSync(file, "utf8"), file);
}

export function parseConfig(text: string, file: string): AgentConfig {
  const value = parseObject(text, file);
  const { url, node, token } = value;
  const faults = [
    isHttpUrl(url) ? [] : ["url: not http://HOST:PORT/PATH"],
    isText(node) ? [] : ["node: missing"],
    isText(token) ? [] : ["token: missing"],
  ].flat();
  if (faults.length > 0) throw new Error(`${file}: ${faults.join("; ")}`);
  return { url, node, token } as AgentConfig;
}

function parseObject(text: string, file: string): Partial<Record<keyof AgentConfig, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and the text has the token in it.
    throw new Error(`${file}: not JSON`);
  }
  return typeof value === "object" && value !== null ? value : {};
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isHttpUrl(value: unknown): boolean {
  return isText(value) && URL.parse(value)?.protocol === "http:";
}
