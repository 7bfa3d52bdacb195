"""Reads and writes through pyNfsClient: ``with_pynfsclient.py HOST EXPORT``."""

from __future__ import annotations

import sys

from pyNfsClient import (
    FILE_SYNC,
    MNT3_OK,
    MOUNT_PROGRAM,
    MOUNT_V3,
    NFS3_OK,
    NFS_PROGRAM,
    NFS_V3,
    UNCHECKED,
    Mount,
    NFSv3,
    Portmap,
)

HOST, EXPORT = sys.argv[1:]
AUTH = {"flavor": 1, "machine_name": "client", "uid": 0, "gid": 0, "aux_gid": []}
mapper = Portmap(HOST, timeout=10)
mapper.connect()
mount = Mount(HOST, port=mapper.getport(MOUNT_PROGRAM, MOUNT_V3), timeout=10, auth=AUTH)
mount.connect()
mounted = mount.mnt(EXPORT, AUTH)
assert mounted["status"] == MNT3_OK, mounted
root = mounted["mountinfo"]["fhandle"]
nfs = NFSv3(HOST, port=mapper.getport(NFS_PROGRAM, NFS_V3), timeout=10, auth=AUTH)
nfs.connect()
try:
    found = nfs.lookup(root, "hello.txt", AUTH)
    assert found["status"] == NFS3_OK, found
    read = nfs.read(found["resok"]["object"]["data"], 0, 100, AUTH)
    sys.stdout.write(f"read {read['resok']['data'].decode()}")
    made = nfs.create(root, "by-pynfsclient", UNCHECKED, mode=0o644, auth=AUTH)
    assert made["status"] == NFS3_OK, made
    file = made["resok"]["obj"]["handle"]["data"]
    wrote = nfs.write(file, 0, 12, "pyNfsClient!", FILE_SYNC, AUTH)
    assert wrote["status"] == NFS3_OK, wrote
    entry, names = nfs.readdir(root, auth=AUTH)["resok"]["reply"]["entries"], []
    while entry:
        names.append(entry[0]["name"].decode())
        entry = entry[0]["nextentry"]
    print("listed", sorted(set(names) - {".", ".."}))
finally:
    nfs.disconnect()
    mount.umnt(AUTH)
    mount.disconnect()
    mapper.disconnect()
