import { formatSubnet } from "../lib/ipv4.ts";
import { type ExportedDirectory, type NfsExports, nobodyId } from "./exports.ts";

// From release 6 it ends where it may not mark itself as serving file systems (PR_SET_IO_FLUSHER, CAP_SYS_RESOURCE), as in
// many containers. Release 4 ends where it reads this.
const flusherOption = `
  Allow_Set_Io_Flusher_Fail = true;`;

/**
 * The configuration of NFS-Ganesha (ganesha-config(8), ganesha-core-config(8), ganesha-export-config(8)). NFSv4 only: it
 * then needs neither rpcbind nor rpc.statd.
 */
export function ganeshaConfig(exports: NfsExports, recoveryDirectory: string, release = 0): string {
  return `# Written by provision at every start; changes are lost.
NFS_CORE_PARAM {
  Protocols = 4;
  Bind_addr = ${exports.address};
  NFS_Port = ${exports.port};
  Enable_UDP = false;
  Enable_NLM = false;
  Enable_RQUOTA = false;
  Clustered = false;${release >= 6 ? flusherOption : ""}
  RPC_Ioq_ThrdMax = 64;
}
NFS_KRB5 {
  Active_krb5 = false;
  CCacheDir = "${recoveryDirectory}";
}
NFSv4 {
  # No grace period: nodes that open their root after a restart are not to wait for others to come back. The price:
  # of a lock on the shared directory another node may take possession in that moment.
  Graceless = true;
  Lease_Lifetime = 30;
  Minor_Versions = 0, 1, 2;
  Only_Numeric_Owners = true;
  RecoveryBackend = fs;
  RecoveryRoot = "${recoveryDirectory}";
}
LOG {
  Default_Log_Level = EVENT;
  # It has a line for every connection that closes.
  Components { TIRPC = CRIT; DBUS = FATAL; }
}
${exportBlock(1, exports.images, exports)}
${exportBlock(2, exports.shared, exports)}
`;
}

// Attr_Expiration_Time: seconds for which Ganesha may believe what it last saw, while build-image and users of the head
// change the same directories behind its back. PrivilegedPort: only root of a node may say who its users are.
function exportBlock(id: number, directory: ExportedDirectory, exports: NfsExports): string {
  const squash = directory.trustRoot ? "No_Root_Squash" : "Root_Squash";
  return `EXPORT {
  Export_Id = ${id};
  Path = "${directory.path}";
  Pseudo = "${directory.path}";
  Access_Type = None;
  Squash = ${squash};
  Anonymous_Uid = ${nobodyId};
  Anonymous_Gid = ${nobodyId};
  SecType = sys;
  Protocols = 4;
  Transports = TCP;
  PrivilegedPort = true;
  Attr_Expiration_Time = 1;
  CLIENT {
    Clients = ${exports.subnets.map(formatSubnet).join(", ")};
    Access_Type = ${directory.access.toUpperCase()};
    Squash = ${squash};
    Anonymous_Uid = ${nobodyId};
    Anonymous_Gid = ${nobodyId};
    PrivilegedPort = true;
    SecType = sys;
    Protocols = 4;
    Transports = TCP;
  }
  FSAL { Name = VFS; }
}`;
}
