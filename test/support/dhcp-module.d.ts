/** The part of the npm package `dhcp` that the tests use: an independent client. */
declare module "dhcp" {
  type Lease = { address: string; server: string; leasePeriod: number; options: Record<string, unknown> };
  type Client = {
    on: ((event: "bound", listener: (lease: Lease) => void) => void) &
      ((event: "error", listener: (error: Error) => void) => void);
    listen: (port: number | undefined, host: string | undefined, ready: () => void) => void;
    sendDiscover: () => void;
    close: () => void;
  };
  const dhcp: { createClient: (options: { mac: string; features: readonly string[] }) => Client };
  // oxlint-disable-next-line import/no-default-export -- a CommonJS module is imported by its default
  export default dhcp;
}
