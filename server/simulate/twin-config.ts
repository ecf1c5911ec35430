import { parseDocument } from "yaml";
import { renderConfigFile } from "../config/template.ts";

/** Where a twin has what is its own. */
export type TwinPlaces = { stateDirectory: string; socket: string };

/** The network of machines that are made up: room for 60,000, and not the rack's. */
export const inventedNetwork = {
  interface: "twin0",
  address: "10.77.0.1",
  subnet: "10.77.0.0/16",
  pool: "10.77.0.100-10.77.0.250",
} as const;

/** The first of the machines that are made up. */
export const inventedFirst = { ip: "10.77.1.1+", mac: "52:54:00:77:00:00+" } as const;
export const inventedLimit = 60_000;

/** The head's own configuration with nothing changed but what must be: the twin's places, and no NFS server. */
export function twinOfConfig(text: string, places: TwinPlaces): string {
  const document = parseDocument(text);
  for (const [key, value] of Object.entries(places)) document.set(key, value);
  document.set("nfs", { backend: "none" });
  return document.toString();
}

/** Settings that say something about the rack's network, which the machines that are made up are not in. */
const networkSettings = ["router", "dns", "networks", "dhcp"];

/** A configuration for machines that are made up: the head's own, if there is one, in all that is not the network's. */
export function inventedConfig(
  text: string | undefined,
  places: TwinPlaces & {
    sharedDirectory: string;
    imageStore: string;
    loaderDirectory: string;
    image: string;
  },
): string {
  const values = { ...inventedNetwork, ...places };
  if (text === undefined) return renderConfigFile({ ...values, nfsBackend: "none" });
  const document = parseDocument(text);
  for (const key of networkSettings) document.delete(key);
  for (const [key, value] of Object.entries(values)) document.set(key, value);
  document.set("nfs", { backend: "none" });
  return document.toString();
}
