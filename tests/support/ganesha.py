"""nfs-ganesha on a host: it exports ``/srv/nfs``."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.hosts import Host, until

NFS_PORT, MOUNT_PORT, NLM_PORT = 2049, 20048, 32803
GRACELESS, GRACE = "Graceless = true;", "Lease_Lifetime = 5; Grace_Period = 5;"
CONFIGURATION = f"""
NFS_CORE_PARAM {{
  Protocols = 3;
  NFS_Port = 2049; MNT_Port = 20048; NLM_Port = 32803; Rquota_Port = 875;
  Enable_NLM = true; Enable_RQUOTA = true; Enable_UDP = true;
  mount_path_pseudo = false;
}}
NFS_KRB5 {{ Active_krb5 = false; }}
NFSV4 {{ {GRACELESS} RecoveryBackend = fs; }}
EXPORT {{
  Export_Id = 1; Path = /srv/nfs; Pseudo = /export; Protocols = 3; Transports = TCP, UDP;
  Access_Type = RW; Squash = No_Root_Squash; SecType = sys, none; PrivilegedPort = false;
  FSAL {{ Name = VFS; }}
}}
"""
FILES = """
mountpoint -q /srv && exit
mount -t tmpfs tmpfs /srv
mountpoint -q /var/lib/nfs || mount -t tmpfs tmpfs /var/lib/nfs
mkdir -p /srv/nfs/folder /run/ganesha /var/lib/nfs/ganesha
echo 'hello from ganesha' > /srv/nfs/hello.txt
"""


def start_ganesha(
    host: Host, folder: Path, *, grace: bool = False, protocols: str = "3"
) -> subprocess.Popen[str]:
    """Start the server, and wait for the log line that says that it serves.

    It may be started again: its files stay. With ``grace`` it gives locks only after 5 seconds.
    ``protocols`` are versions of NFS: ``"3, 4"``.
    """
    host.sh(FILES)
    settings, log = folder / "ganesha.conf", folder / "log"
    text = CONFIGURATION.replace(GRACELESS, GRACE) if grace else CONFIGURATION
    settings.write_text(text.replace("Protocols = 3;", f"Protocols = {protocols};"))
    log.write_text("")
    paths = ["-f", str(settings), "-L", str(log), "-p", "/run/ganesha/pid"]
    server = host.popen(["ganesha.nfsd", "-F", *paths])
    until(lambda: "NFS SERVER INITIALIZED" in log.read_text(), "ganesha serves")
    return server
