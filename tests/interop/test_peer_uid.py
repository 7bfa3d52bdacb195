"""``nfsd --peer-uid``: a local client is the user of its socket, not of its credential."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.namespace import need
from support.nfs_host import NfsHost

pytestmark = [pytest.mark.interop, pytest.mark.slow]

USER, OTHER, GROUP = 1000, 1001, 2000
EXPORTS = "/srv/tmpfs *(rw,no_root_squash,insecure,fsid=7)\n"
USERS = f"user:x:{USER}:{USER}::/:/bin/sh\n"
PREPARE = f"""
cd /srv/tmpfs
mkdir secret theirs
echo secret > secret/file
echo theirs > theirs/file
chmod 700 secret
chown -R {USER}:{USER} secret
chmod 750 theirs
chgrp {GROUP} theirs
{{ printf '{USERS}'; cat /etc/passwd; }} > /srv/passwd
mount --bind /srv/passwd /etc/passwd
"""
ADDRESSES = ("127.0.0.1", "10.9.0.1")
"""The host's, of the loopback interface and of another one."""


@pytest.fixture(scope="module")
def host() -> Iterator[NfsHost]:
    need("nfs-cat")
    with NfsHost(EXPORTS, "--peer-uid", prepare=PREPARE) as made:
        yield made


def url(address: str, path: str, uid: int, gid: int) -> str:
    """A file, and the user that libnfs says it is."""
    return f"nfs://{address}/srv/tmpfs/{path}?uid={uid}&gid={gid}"


def reads(host: NfsHost, place: str, *, uid: int) -> bool:
    """Whether a user of the host can read a file with libnfs."""
    return host.run(["nfs-cat", place], uid=uid).returncode == 0


@pytest.mark.parametrize("address", ADDRESSES)
def test_local_users_cannot_name_other_users(host: NfsHost, address: str) -> None:
    place = url(address, "secret/file", USER, USER)

    assert reads(host, place, uid=USER)
    assert not reads(host, place, uid=OTHER)
    assert not reads(host, url(address, "secret/file", 0, 0), uid=OTHER)


@pytest.mark.parametrize("address", ADDRESSES)
def test_root_may_call_for_any_user(host: NfsHost, address: str) -> None:
    """As the kernel does for the users of its mounts."""
    assert reads(host, url(address, "secret/file", USER, USER), uid=0)
    assert not reads(host, url(address, "secret/file", OTHER, OTHER), uid=0)


def test_groups_of_a_credential_are_ignored(host: NfsHost) -> None:
    place = url("127.0.0.1", "theirs/file", USER, GROUP)

    assert reads(host, place, uid=0)
    assert not reads(host, place, uid=USER)


def test_file_of_a_local_user_is_its_own(host: NfsHost) -> None:
    new = Path(host.path("/srv/tmpfs/new"))

    done = host.run(["nfs-cp", "/etc/hostname", url("127.0.0.1", "new", USER, GROUP)], uid=USER)

    assert done.returncode == 0, done.stderr
    assert (os.stat(new).st_uid, os.stat(new).st_gid) == (USER, USER)
