import tftp from "tftp";

/** The npm package `tftp` as a program: `get HOST REMOTE LOCAL` or `put HOST LOCAL REMOTE`, then block and window. */
const [verb, host = "", from = "", to = "", blockSize = "1468", windowSize = "4"] = process.argv.slice(2);
const client = tftp.createClient({ host, blockSize: Number(blockSize), windowSize: Number(windowSize) });
const done = (error?: Error) => {
  if (error === undefined || error === null) return;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
};
if (verb === "get") client.get(from, to, done);
else client.put(from, to, done);
