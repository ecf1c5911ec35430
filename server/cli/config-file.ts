import { existsSync } from "node:fs";
import { defaultConfigFile } from "../config/load.ts";

/** A lab that runs leaves its head's configuration here. */
export const labDirectory = "/run/provision-lab";

export type ConfigChoice = { file: string; lab: boolean };

/**
 * Which configuration a command is about: the flag's, the environment's, the system's, or, where the system has none,
 * that of the lab that runs.
 */
export function chooseConfigFile(
  flag: string | undefined,
  environment: string | undefined,
  exists: (file: string) => boolean = existsSync,
): ConfigChoice {
  const told = flag ?? (environment === "" ? undefined : environment);
  if (told !== undefined) return { file: told, lab: false };
  const lab = `${labDirectory}/provision.yaml`;
  if (!exists(defaultConfigFile) && exists(lab)) return { file: lab, lab: true };
  return { file: defaultConfigFile, lab: false };
}
