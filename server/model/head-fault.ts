/** Something on the head that stops boots. */
export type HeadFault = {
  /** The first step of a boot that it stops. */
  stops: "offered" | "loader" | "script" | "kernel" | "initrd" | "overlay" | "root";
  message: string;
  fix: string;
};
