"""Linux's NFS client mounts every back end, and runs the POSIX programme on it.

One guest mounts the exports one after the other. What a back end lacks by its features is left out:
``support.posix_programme`` has the table. A directory with handles of the kernel has the whole
programme in ``test_nfs_kernel``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from oncrpc.nfs.filesystem import Features
from support.guest_image import compile_program
from support.hosts import for_all, until
from support.lan_guests import SERVER, Lan, LanGuest
from support.namespace import PYTHON, line_of
from support.nfs_host import NFS_PORT, NfsHost
from support.object_store import S3_EXPORT, S3_PATH, ObjectStore
from support.posix_programme import (
    SEVERAL_USERS,
    command,
    differences,
    run_locally,
    sections_for,
)
from support.served_backends import BACKENDS, INSTALLED, OVERLAY, PACKAGED

pytestmark = [pytest.mark.interop, pytest.mark.slow]

TIME = 240.0
"""Seconds for the whole programme on one mount."""

USER = 1000
ROOTLESS_PORT = 20490
EXPORTS = """
/srv/tmpfs *(rw,no_root_squash,insecure,fsid=7)
/srv/tree.tar.gz *(ro,no_root_squash,insecure)
/srv/tree.zip *(ro,no_root_squash,insecure)
"""
MOUNT = (
    "mount.nfs server:{path} /mnt"
    " -o vers=3,proto=tcp,nolock,port={port},mountport={port},mountproto=tcp"
)
ARCHIVES = {
    "tar.gz": (
        "create links symlinks renames special times sizes permissions",
        "find . -type s -delete; tar -czf /srv/tree.tar.gz .",
    ),
    "zip": ("renames sizes patterns maps deep", f"{PYTHON} -m zipfile -c /srv/tree.zip *"),
}
"""For each kind: the sections that make its files, and the command that packs them."""

PACKED = """
mkdir /srv/{kind}
cd /srv/{kind}
{program} . {sections} > /dev/null
{pack}
"""
CHANGES = (
    "touch /mnt/new; mkdir /mnt/new; mv /mnt/sizes /mnt/new; chmod 700 /mnt/sizes;"
    " rm /mnt/sizes/log; ln -s x /mnt/new"
)
SLOW_ON_S3 = frozenset({"groups", "many"})

OF_ROOT = ("/srv/tmpfs", NFS_PORT, 0)
OF_USER = ("/srv/home/top", ROOTLESS_PORT, USER)
"""A directory, its port, and its owner."""

CHANGING = (
    "cd /mnt/old; exec 3< file; echo changed >> file; cat <&3; rm gone; mv below moved;"
    " cat moved/file; find . | sort | tail -n +2 | cut -c 3-"
)
"""Of the overlay: a file is changed that is open, one removed, and a directory renamed."""

USING = (
    "cd /mnt; cat below/hello; sha256sum < large | cut -d ' ' -f 1; mkdir below/new;"
    " find below | sed 's,.*/,,' | sort; rmdir below/new; rm below/hello; ls"
)
"""Of the object of a package: its files are read, and directories made and removed."""

MOVING = "cd {top}; mkdir other; mv held/file other/moved; mv other away"
HOLDING = "mkfifo /tmp/go; exec 3< /mnt/held/file; echo opened; read line < /tmp/go; cat <&3"


class BackendGuest:
    """A guest, the host of the exports, and the back ends that a process serves."""

    def __init__(self, host: NfsHost, guest: LanGuest, program: Path) -> None:
        self.host, self.guest, self._program = host, guest, program
        host.sh("mkdir /srv/served")
        serving = host.popen([PYTHON, "-m", "support.served_backends", SERVER, "/srv/served"])
        self._served: dict[str, Any] = json.loads(line_of(serving))
        self._nfsd = for_all(host, "oncrpc.cli.nfsd")
        host.sh(f"install -d -o {USER} -m 700 /srv/home /srv/home/state /srv/home/top")

    def features(self, name: str) -> Features:
        """The features of a back end."""
        if name not in self._served:
            pytest.skip(f"not installed: what {name} needs")
        return Features(*self._served[name]["features"])

    def port(self, name: str) -> int:
        """The port of a back end."""
        return int(self._served[name]["port"])

    def folder(self, name: str) -> str:
        """Where the process has the files of a back end, on the host."""
        return f"/srv/served/{list(BACKENDS).index(name)}"

    def start_rootless(self) -> None:
        """Start nfsd as an ordinary user. It exports /srv/home/top."""
        state = ["--state-dir", "/srv/home/state", "--port-mapper", "none"]
        place = ["-p", str(ROOTLESS_PORT), "--bind", SERVER, "--to", "*(rw)", "/srv/home/top"]
        self.rootless = self.host.popen([*self._nfsd, "-f", *state, *place], uid=USER)
        until(lambda: self.host.serves("tcp", SERVER, ROOTLESS_PORT), "nfsd serves without root")

    @contextmanager
    def killed(self, *, rootless: bool) -> Iterator[None]:
        """Kill a server, and start it again after the context."""
        if rootless:
            self.rootless.kill()
            self.rootless.wait()
        else:
            self.host.kill_nfsd()
        yield
        if rootless:
            self.start_rootless()
        else:
            self.host.nfsd = self.host.start_nfsd()

    def on_mount(self, path: str, port: int, text: str) -> list[str]:
        """What a script prints while an export is mounted at ``/mnt``."""
        self.guest.run(MOUNT.format(path=path, port=port))
        try:
            return self.guest.lines(text, timeout=TIME)
        finally:
            self.guest.run("umount /mnt")

    def locally(self, place: str, sections: Sequence[str], *, uid: int = 0) -> list[str]:
        """What the programme prints on the host itself."""
        return run_locally(self.host, self._program, place, sections, uid=uid)


@pytest.fixture(scope="module")
def booted(guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendGuest]:
    folder = tmp_path_factory.mktemp("backends")
    program = folder / "posix"
    compile_program("posix", program)
    archives = "".join(
        PACKED.format(kind=kind, program=program, sections=sections, pack=pack)
        for kind, (sections, pack) in ARCHIVES.items()
    )
    with (
        NfsHost(EXPORTS, config=S3_EXPORT, prepare=archives) as host,
        Lan(host, guest_image, folder) as lan,
    ):
        [guest] = lan.boot("one")
        ObjectStore(host).start()
        yield BackendGuest(host, guest, program)


def programme(sections: Sequence[str]) -> str:
    """The script that runs sections in a new directory of the mount."""
    return f"mkdir /mnt/run && {' '.join(command('/mnt/run', sections))}"


@pytest.mark.parametrize("name", BACKENDS)
def test_programme_runs_as_on_local_files(booted: BackendGuest, name: str) -> None:
    has = booted.features(name)
    sections = sections_for(has, name=name)

    seen = booted.on_mount("/", booted.port(name), programme(sections))

    expected = booted.locally(f"/srv/tmpfs/{list(BACKENDS).index(name)}", sections)
    found = differences(seen, expected, has, name=name)
    assert not found, found


def test_programme_runs_on_nfsd_without_root(booted: BackendGuest) -> None:
    has = booted.features("local with a table")
    sections = sections_for(has, without=SEVERAL_USERS)
    booted.start_rootless()

    seen = booted.on_mount("/srv/home/top", ROOTLESS_PORT, programme(sections))
    booted.rootless.terminate()

    expected = booted.locally("/srv/home/local", sections, uid=USER)
    found = differences(seen, expected, has)
    assert not found, found


def test_programme_runs_on_an_s3_bucket(booted: BackendGuest) -> None:
    has = booted.features("fsspec memory://")
    sections = sections_for(has, name="s3", without=SLOW_ON_S3)

    seen = booted.on_mount(S3_PATH, NFS_PORT, programme(sections))

    expected = booted.locally("/srv/tmpfs/s3", sections)
    found = differences(seen, expected, has, name="s3")
    assert not found, found


def test_overlay_copies_what_is_changed(booted: BackendGuest) -> None:
    archive = Path(booted.host.path(booted.folder(OVERLAY) + "/lower.tar"))
    before = archive.read_bytes()

    seen = booted.on_mount("/", booted.port(OVERLAY), CHANGING)

    assert seen == ["packed", "changed", "below", "file", "moved", "moved/file"]
    assert archive.read_bytes() == before


def test_object_of_an_installed_package_is_used(booted: BackendGuest) -> None:
    seen = booted.on_mount("/", booted.port(INSTALLED), USING)

    digest = hashlib.sha256(PACKAGED["large"]).hexdigest()
    assert seen == ["hello", digest, "below", "hello", "new", "below", "large"]


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archive_shows_what_was_packed(booted: BackendGuest, kind: str) -> None:
    seen = booted.on_mount(f"/srv/tree.{kind}", NFS_PORT, f"posix /mnt tree; {CHANGES}; true")

    expected = booted.locally(f"/srv/{kind}", ["tree"])
    assert [line.rstrip() for line in expected] == seen[: len(expected)]
    refusals = seen[len(expected) :]
    assert len(refusals) == CHANGES.count(";") + 1
    assert all(line.endswith("Read-only file system") for line in refusals), refusals


@pytest.mark.parametrize("kind", ["kernel", "table"])
def test_handle_outlives_restart_and_rename(booted: BackendGuest, kind: str) -> None:
    """The table is that of a server without root."""
    top, port, owner = {"kernel": OF_ROOT, "table": OF_USER}[kind]
    booted.host.sh(f"install -d -o {owner} {top}/held; echo kept > {top}/held/file")
    if owner:
        booted.start_rootless()

    booted.guest.run(MOUNT.format(path=top, port=port))
    holding = booted.guest.begin(HOLDING)
    holding.line("^opened$")
    with booted.killed(rootless=bool(owner)):
        booted.host.sh(MOVING.format(top=top))
    booted.guest.run("echo > /tmp/go; rm /tmp/go")

    assert holding.line("^(kept|cat: .*)$")[0] == "kept"
    booted.guest.run("umount /mnt")
