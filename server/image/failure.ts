/** What to do about a failed mmdebstrap, from the last of its words. */
export function failureHint(lines: readonly string[]): string | undefined {
  const text = lines.join("\n");
  return causes.find(([pattern]) => pattern.test(text))?.[1];
}

/** The lines that say why, without the noise of progress. */
export function lastWords(lines: readonly string[]): string[] {
  return lines.filter((line) => line.trim() !== "").slice(-lastLines);
}

const lastLines = 15;

const causes: readonly (readonly [RegExp, string])[] = [
  [
    /temporary failure resolving|could not resolve|could not connect|unable to connect|connection timed out|failed to fetch/i,
    "Debian's archive could not be reached: look at this machine's network, name service and http_proxy",
  ],
  [/no space left on device/i, "the disk is full: make room where the image store is"],
  [
    /unable to locate package|has no installation candidate/i,
    "image.yaml names a package that this suite does not have",
  ],
  [
    /unmet dependencies|unable to correct problems/i,
    "the packages in image.yaml cannot be installed together",
  ],
  [
    /exec format error|cannot be executed/i,
    "this machine cannot run programs of that architecture: apt-get install qemu-user-static binfmt-support",
  ],
  [
    /no_pubkey|not signed|signatures couldn't be verified|keyring/i,
    "the archive's keys are missing: apt-get install debian-archive-keyring",
  ],
  [
    /operation not permitted|permission denied|need to be root|must be root|superuser|unshare failed|mount failed/i,
    "building an image needs root, with the right to mount",
  ],
];
