import { hardwareTextLimit } from "./contract.ts";

/** A name as hardware tells it, without the blanks that SCSI and SMBIOS pad theirs with. Undefined when nothing is left. */
export function shortText(text: string | undefined): string | undefined {
  const squeezed = text?.replaceAll(/\s+/g, " ").trim().slice(0, hardwareTextLimit);
  return squeezed === "" ? undefined : squeezed;
}
