import type { Generated } from "kysely";

/** The database's tables. Times are milliseconds since 1970; JSON columns hold text. */
export type Tables = {
  nodes: {
    id: Generated<number>;
    name: string;
    ip: string;
    image: string | null;
    loader: string | null;
    /** JSON: string[] */
    kernel_arguments: string;
    /** JSON: [code, hexadecimal value][] */
    dhcp_options: string;
    uuid: string | null;
    /** JSON: string[] */
    client_ids: string;
    relay_port: string | null;
    machine_id: string;
    ssh_private_key: string;
    ssh_public_key: string;
    added_at_ms: number;
  };
  node_ports: { mac: string; node_id: number; position: number };
  node_groups: { node_id: number; group_name: string; position: number };
  groups: {
    name: string;
    image: string | null;
    loader: string | null;
    kernel_arguments: string;
    dhcp_options: string;
  };
  leases: {
    ip: string;
    client: string;
    mac: string;
    hostname: string | null;
    state: string;
    started_at_ms: number;
    expires_at_ms: number;
  };
  discovered: {
    mac: string;
    first_seen_ms: number;
    last_seen_ms: number;
    firmware: string | null;
    vendor_class: string | null;
    ip: string | null;
    uuid: string | null;
    relay_port: string | null;
  };
  boots: { id: number; mac: string; node_id: number | null; started_at_ms: number };
  boot_events: {
    sequence: number;
    boot_id: number;
    mac: string;
    node_id: number | null;
    at_ms: number;
    kind: string;
    event: string;
  };
  node_states: {
    node_id: number;
    phase: string;
    phase_since_ms: number;
    boot_id: number | null;
    last_heartbeat_ms: number | null;
  };
  /** JSON: Hardware. Apart from the states, which are read at the start and written all the time. */
  node_hardware: { node_id: number; hardware: string };
  node_secrets: {
    node_id: number;
    /** Names the boot in its URLs; the boot token is derived from it. */
    boot_nonce: string;
    /** SHA-256 of the credential the token was spent on. */
    spent_on: string | null;
    /** SHA-256 of the credential in force. */
    credential_digest: string | null;
  };
  settings: { key: string; value: string };
};
