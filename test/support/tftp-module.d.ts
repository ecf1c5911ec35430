/** The part of the npm package `tftp` that the tests use: an independent client. */
declare module "tftp" {
  type Options = { host: string; port?: number; blockSize?: number; windowSize?: number; timeout?: number };
  type Done = (error?: Error) => void;
  type Client = {
    get: (remote: string, local: string, done: Done) => void;
    put: (local: string, remote: string, done: Done) => void;
  };
  const tftp: { createClient: (options: Options) => Client };
  // oxlint-disable-next-line import/no-default-export -- a CommonJS module is imported by its default
  export default tftp;
}
