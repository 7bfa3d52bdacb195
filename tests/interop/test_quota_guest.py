"""Quotas: the C client ``quota`` in a guest, and ``nfsd`` in another one, on a disk with quotas.

The kernel of the server is a guest's too: that of this host may have no quotas.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from support.guest_image import command
from support.guest_python import MOUNT_PYTHON, in_python, python_disk
from support.hosts import Host
from support.lan_guests import Lan, LanGuest
from support.namespace import need

pytestmark = [pytest.mark.interop, pytest.mark.slow]

INSIDE, OUTSIDE = "/tmp/q", "/python/tmp/q"
"""The disk with quotas, as Python sees it in the guest, and as the tools do."""

SQUASHED, PLAIN = "/tmp/q/squashed", "/tmp/plain"
EXPORTS = (
    f"{INSIDE} *(rw,insecure,no_root_squash)\\n{SQUASHED} *(rw,insecure)\\n"
    f"{PLAIN} *(rw,insecure,fsid=7)\\n"
)
CONFIG = "[quota]\\nset = true\\n"
USERS = "".join(
    f"{name}:x:{number}:{number}::/:/bin/sh\\n"
    for name, number in (("ann", 1000), ("bob", 2000), ("carl", 4000))
)
GROUPS = "ann:x:1000:\\nbob:x:2000:\\nteam:x:3000:ann\\n"
PREPARE = f"""
{MOUNT_PYTHON} && mkdir -p {OUTSIDE} {PLAIN} /tmp/state && chmod 700 /tmp/state &&
mount -t ext4 -o usrquota,grpquota /dev/vdc {OUTSIDE} && mkdir {OUTSIDE}/squashed &&
printf '{EXPORTS}' > /tmp/exports && printf '{CONFIG}' > /tmp/nfsd.toml &&
setquota -u 1000 100 300 10 20 {OUTSIDE} &&
setquota -g 3000 4000000000 0 0 4000000000 {OUTSIDE} &&
setquota -u 2000 17179869184 0 0 0 {OUTSIDE} &&
head -c 200000 /dev/zero > {OUTSIDE}/a && chown 1000:3000 {OUTSIDE}/a &&
head -c 5000 /dev/zero > {OUTSIDE}/b && chown 2000:2000 {OUTSIDE}/b && sync && rpcbind -w
""".replace("\n", " ")
PID = "/tmp/nfsd.pid"
STOP = f"[ ! -s {PID} ] || kill $(head -n 1 {PID}); while [ -s {PID} ]; do usleep 9000; done"
OPTIONS = ("-f", "--pid-file", PID, "--exports", "/tmp/exports", "--state-dir",
           "/tmp/state")  # fmt: skip


class QuotaNumbers(NamedTuple):
    """Used, soft and hard limit of blocks of 1024 bytes, and of files."""

    blocks: tuple[int, int, int]
    files: tuple[int, int, int]


class QuotaSite:
    """A guest that serves a disk with quotas, and a client that has mounted it."""

    def __init__(self, server: LanGuest, client: LanGuest) -> None:
        self.server, self.client = server, client
        server.run(PREPARE)
        self.serve()
        client.run(f"printf '{USERS}' >> /etc/passwd && printf '{GROUPS}' >> /etc/group")

    def serve(self, *options: str) -> None:
        """Start ``nfsd``; it replaces the one that runs."""
        self.server.run(STOP)
        serving = self.server.begin(in_python("oncrpc.cli.nfsd", *OPTIONS, *options))
        serving.line("registered", timeout=60)

    @contextmanager
    def mounted(self, path: str, place: str = "/tmp/other") -> Iterator[None]:
        """An export is mounted on the client within the block: ``quota`` asks for all mounts."""
        source, options = f"{self.server.address}:{path}", "-o vers=3,nolock,proto=tcp"
        self.client.run(f"mkdir -p {place} && mount.nfs {source} {place} {options}")
        yield
        self.client.run(f"umount {place}")

    def counted(self, kind: str, number: int) -> QuotaNumbers:
        """What ``repquota`` of the server says."""
        report = self.server.run(f"repquota -v -{kind} -n -p {OUTSIDE}")
        return numbers_of(next(ln for ln in report.splitlines() if ln.startswith(f"#{number} ")))

    def asked(self, who: str, options: str, path: str = INSIDE) -> QuotaNumbers:
        """What ``quota`` of a user of the client says of an export."""
        place = f"{self.server.address}:{path} "
        shown = self.said(who, options)
        return numbers_of(next(ln for ln in shown.splitlines() if ln.lstrip().startswith(place)))

    def said(self, who: str, options: str) -> str:
        """The output of ``quota``, whose status is 1 if a limit is exceeded."""
        ended = self.client.begin(f"su {who} -c 'quota -v -p -w {options}'")
        ended.status()
        return ended.text


def numbers_of(line: str) -> QuotaNumbers:
    """The numbers of a line of either tool; one that is over its soft limit has a star."""
    _, *words = line.replace("*", " ").split()
    used, soft, hard, _, files, files_soft, files_hard, _ = (
        int(word) for word in words if word.strip("+-")
    )
    return QuotaNumbers((used, soft, hard), (files, files_soft, files_hard))


@pytest.fixture(scope="module")
def site(guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuotaSite]:
    need("quota", "repquota", "setquota")
    folder = tmp_path_factory.mktemp("quota")
    disk = folder / "quotas.ext4"
    command("truncate", "-s", "64M", disk)
    command("mkfs.ext4", "-q", "-F", "-O", "quota", "-E", "quotatype=usrquota:grpquota", disk)
    with Host() as host, Lan(host, guest_image, folder) as lan:
        (server,) = lan.boot("server", disks=[python_disk(folder), disk])
        (client,) = lan.boot("client")
        made = QuotaSite(server, client)
        with made.mounted(INSIDE, "/mnt"):
            yield made


def test_user_sees_its_own_quota(site: QuotaSite) -> None:
    found = site.asked("ann", "-u")

    assert found == site.counted("u", 1000)
    assert found.blocks[0] >= 196
    assert found.blocks[1:] == (100, 300)


def test_quota_is_asked_by_any_mounted_path(site: QuotaSite) -> None:
    with site.mounted(SQUASHED):
        assert site.asked("ann", "-u", SQUASHED) == site.counted("u", 1000)


def test_member_sees_the_quota_of_its_group(site: QuotaSite) -> None:
    found = site.asked("ann", "-g team")

    assert found == site.counted("g", 3000)
    assert found.blocks[1:] == (4_000_000_000, 0)
    assert found.files[2] == 4_000_000_000


def test_large_limits_are_in_larger_blocks(site: QuotaSite) -> None:
    found, counted = site.asked("bob", "-u"), site.counted("u", 2000)

    assert found.blocks[1] == counted.blocks[1] == 1 << 34
    assert counted.blocks[0] <= found.blocks[0] < counted.blocks[0] + 8
    assert found.files == counted.files


def test_nobody_sees_the_quota_of_another_user(site: QuotaSite) -> None:
    assert INSIDE not in site.said("bob", "-u ann")
    assert site.asked("root", "-u ann") == site.counted("u", 1000)


def test_squashed_root_does_not_either(site: QuotaSite) -> None:
    with site.mounted(SQUASHED):
        said = site.said("root", "-u ann")

    assert f"{SQUASHED} for ann (id 1000): Operation not permitted" in said


def test_file_system_without_quotas_has_none(site: QuotaSite) -> None:
    with site.mounted(PLAIN):
        said = site.said("ann", "-u")

    assert PLAIN not in said
    assert "error" not in said


def test_root_sets_limits_if_the_server_allows(site: QuotaSite) -> None:
    command = "setquota -r -u carl 1000 2000 30 40 /mnt"
    refused = site.client.begin(command)
    assert refused.status() != 0
    assert "Operation not permitted" in refused.text

    site.serve("--config", "/tmp/nfsd.toml")
    site.client.run(command)

    found = site.counted("u", 4000)
    assert (found.blocks[1:], found.files[1:]) == ((1000, 2000), (30, 40))
    assert site.asked("carl", "-u") == found
