"""Reads and writes through nfs-rs: ``with_nfs_rs.py HOST EXPORT``."""

from __future__ import annotations

import sys

from nfs_rs import Client, list_exports

HOST, EXPORT = sys.argv[1:]
client = Client.connect(f"nfs://{HOST}{EXPORT}?version=3&uid=0&gid=0&noresvport=true")
try:
    with client.open("/hello.txt", "rb") as file:
        sys.stdout.write(f"read {file.read().decode()}")
    with client.open("/from-nfs-rs", "wb") as file:
        file.write(b"nfs-rs" * 100_000)
    client.rename("/from-nfs-rs", "/by-nfs-rs")
    print("listed", sorted(client.listdir("/")))
    print("exports", [entry.path for entry in list_exports(f"nfs://{HOST}")])
finally:
    client.close()
