/** What one look at the machine found. */
export type Check = {
  /** What was looked at, in a word or two. */
  name: string;
  /** `warn`: the head runs, but something will be missed; `fail`: it does not, or nodes do not boot. */
  state: "ok" | "warn" | "fail";
  detail: string;
  /** What to do, a command line where there is one. */
  fix?: string;
};

export function ok(name: string, detail: string): Check {
  return { name, state: "ok", detail };
}

export function warn(name: string, detail: string, fix: string): Check {
  return { name, state: "warn", detail, fix };
}

export function fail(name: string, detail: string, fix: string): Check {
  return { name, state: "fail", detail, fix };
}
