const kibi = 1024;

/** `33.1 MiB`; what is smaller than one MiB in KiB or bytes, what is large in GiB. */
export function formatBytes(bytes: number): string {
  if (bytes < kibi) return `${bytes} B`;
  if (bytes < kibi ** 2) return `${(bytes / kibi).toFixed(0)} KiB`;
  const mebibytes = bytes / kibi ** 2;
  if (mebibytes < 10 * kibi) return `${mebibytes.toFixed(mebibytes < 100 ? 1 : 0)} MiB`;
  return `${(mebibytes / kibi).toFixed(1)} GiB`;
}

/** `80 ms`, `1.4 s`, `2 min 3 s`, `4 h 5 min`, `3 d 2 h`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 10_000) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `3 s ago`, `in 59 min`: one unit, for columns. */
export function formatAge(atMs: number, nowMs: number): string {
  const seconds = Math.round(Math.abs(nowMs - atMs) / 1000);
  const text = coarse(seconds);
  return atMs > nowMs && seconds > 0 ? `in ${text}` : `${text} ago`;
}

function coarse(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** Local time as `2026-11-22 12:56:35`. */
export function formatTime(atMs: number): string {
  const time = new Date(atMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
