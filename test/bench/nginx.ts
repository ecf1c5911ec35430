import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Rivals } from "./rivals.ts";
import { network, type RunningServer, type Workplace } from "./workplace.ts";

export type NginxSite = {
  directory: string;
  /** Answers every request with this text; without it files below `directory`/www. */
  text?: string;
  /** For large files; for small ones it costs more than it gives. */
  sendfile: boolean;
  port: number;
};

export async function startNginx(
  workplace: Workplace,
  rivals: Rivals,
  site: NginxSite,
): Promise<RunningServer> {
  const { command } = await rivals.get("nginx");
  const directory = workplace.scratch("nginx");
  const config = join(directory, "nginx.conf");
  mkdirSync(join(directory, "temporary"));
  writeFileSync(config, nginxConfig(directory, site));
  const log = join(directory, "log");
  const running = workplace.serve([...command, "-p", directory, "-c", config, "-e", log], { logFile: log });
  await running.bound("tcp", site.port);
  return running;
}

/** nginx as fast as it goes on one core; each setting that is not its default has its reason. */
export function nginxConfig(directory: string, { directory: root, text, sendfile, port }: NginxSite): string {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `  ${name}_temp_path ${directory}/temporary;`)
    .join("\n");
  const quoted = text?.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("$", "${dollar}");
  const answer =
    quoted === undefined ? `root ${root}/www;` : `default_type text/plain; return 200 "${quoted}";`;
  return `user root;
daemon off;
pid ${directory}/pid;
worker_processes 1; # it has one core
worker_rlimit_nofile 65536;
events {
  worker_connections 8192; # 512 by default
}
http {
${paths}
  access_log off; # the head writes none either
  keepalive_requests 1000000000; # 1,000 by default, then the client would have to connect again
  open_file_cache max=20000 inactive=1h; # no open(2) for every request
  sendfile ${sendfile ? "on" : "off"};
  geo $dollar { default "$"; } # the only way to write one
  server {
    listen ${network.head}:${port} backlog=4096;
    location / { ${answer} }
  }
}
`;
}
