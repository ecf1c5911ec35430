import dhcp from "dhcp";

/** The npm package `dhcp` as a program: `MAC`. Prints the lease it got, as JSON, and ends. */
const [mac = ""] = process.argv.slice(2);
const client = dhcp.createClient({ mac, features: ["hostname", "domainName"] });
client.on("bound", ({ address, server, leasePeriod, options }) => {
  process.stdout.write(`${JSON.stringify({ address, server, leasePeriod, options })}\n`);
  client.close();
});
client.on("error", (error) => process.stderr.write(`${String(error)}\n`));
client.listen(undefined, undefined, () => client.sendDiscover());
