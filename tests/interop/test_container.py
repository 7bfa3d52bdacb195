"""The container file, played step by step in root folders of its own, and what it then runs.

The images that it is based on are a Python and little else; here this host's takes their place.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc import sync
from oncrpc.programs.rpcb import RPCBVERS4
from support.hosts import Host, finished, status_of, until
from support.namespace import need
from support.nfs_host import NFS_PORT
from support.nfs_user import NfsUser, mount

pytestmark = [pytest.mark.interop, pytest.mark.slow]

SOURCE = Path(__file__).parents[2]
IMAGE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
IMAGE = """
mkdir -p /run/{stage}/upper /run/{stage}/work /run/{stage}/root
cd /run/{stage}
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount -t proc proc root/proc
mount --rbind /dev root/dev
rm -rf root/opt/oncrpc root/source
ln -sf /usr/bin/python3 root/usr/local/bin/python
"""

LIMITS = ("--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
"""What ``--cap-drop all`` and ``--security-opt no-new-privileges`` do."""


class Replay(Host):
    """A host that executes the steps, and the settings of each image collected from them."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = ""
        self.path_variable = IMAGE_PATH
        self.said: dict[str, dict[str, str]] = {}

    def play(self, text: str) -> None:
        """Execute every step of a container file."""
        for line in text.splitlines():
            if line and not line.startswith("#"):
                word, _, rest = line.partition(" ")
                step = {"FROM": self._from, "COPY": self._copy, "RUN": self._run, "ENV": self._env}
                step.get(word, lambda rest, word=word: self._note(word, rest))(rest)

    def folder(self, path: str, stage: str = "") -> Path:
        """A path in the image of a stage."""
        return Path(self.path(f"/run/{stage or self.stage}/root{path}"))

    def _from(self, image: str) -> None:
        _, _, name = image.partition(" AS ")
        self.stage, self.path_variable = name, IMAGE_PATH
        self.said[name] = {}
        self.sh(IMAGE.format(stage=self.stage))

    def _copy(self, words: str) -> None:
        *sources, into = words.split()
        stage = sources.pop(0).removeprefix("--from=") if words.startswith("--from=") else ""
        for name in sources:
            source = self.folder(name, stage) if stage else SOURCE / name
            place = self.folder(into)
            if source.is_dir():
                shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, place)

    def _run(self, script: str) -> None:
        """Run outside the host's network, since packages are downloaded."""
        root = ["nsenter", "-t", str(self.within), "-m", "chroot", f"/run/{self.stage}/root"]
        command = [*root, "env", f"PATH={self.path_variable}", "/bin/sh", "-ec", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == 0, done.stderr

    def _env(self, setting: str) -> None:
        name, _, value = setting.partition("=")
        assert name == "PATH"
        self.path_variable = value.replace("$PATH", self.path_variable)

    def _note(self, word: str, rest: str) -> None:
        self.said[self.stage][word] = rest

    def seal(self, image: str, *volumes: str) -> None:
        """Make an image read-only, but for volumes of its user: the option ``--read-only``."""
        user, group = self.said[image]["USER"].split(":")
        root = f"/run/{image}/root"
        for volume in volumes:
            options = f"mode=700,uid={user},gid={group}"
            self.sh(f"mount -t tmpfs -o {options} tmpfs {root}{volume}")
        self.sh(f"mount -o remount,ro {root}")

    def container(self, image: str, *arguments: str) -> subprocess.Popen[str]:
        """Run an image's command as its user, with the options ``LIMITS`` of the how-to.

        Arguments replace those of CMD.
        """
        said = self.said[image]
        user, group = said["USER"].split(":")
        root = ["chroot", f"/run/{image}/root", "setpriv", f"--reuid={user}", f"--regid={group}"]
        command = [*json.loads(said["ENTRYPOINT"]), *(arguments or json.loads(said["CMD"]))]
        return self.popen([*root, *LIMITS, "env", "-i", f"PATH={self.path_variable}", *command])


@pytest.fixture(scope="module")
def image() -> Iterator[Replay]:
    """A host with the built images."""
    need("chroot", "setpriv", "/usr/bin/python3")
    with Replay() as made:
        made.play((SOURCE / "packaging" / "Containerfile").read_text())
        made.seal("nfsd", "/data", made.said["nfsd"]["VOLUME"])
        yield made


def test_container_serves_without_root(image: Replay) -> None:
    port = int(json.loads(image.said["portmap"]["CMD"])[1])

    daemon = image.container("portmap")
    until(lambda: image.serves("tcp", "10.9.0.1", port), "the container serves")

    with sync.run(image.dial("tcp", "10.9.0.1", port)) as link:
        found = sync.run(RPCBVERS4.Client(link).RPCBPROC_DUMP())
    assert {entry.rpcb_map.r_prog for entry in found} == {100000}
    assert status_of(daemon.pid)["Uid"].split() == ["65534"] * 4
    assert status_of(daemon.pid)["CapEff"] == "0" * 16
    daemon.send_signal(signal.Signals[image.said["portmap"]["STOPSIGNAL"]])
    assert finished(daemon) == 0


def test_arguments_take_the_place_of_its_port(image: Replay) -> None:
    image.container("portmap", "-p", "10112", "-4")

    until(lambda: image.serves("tcp", "127.0.0.1", 10112), "the container serves")


@pytest.mark.parametrize("name", ["portmap", "nfsd"])
def test_image_does_not_contain_the_source(image: Replay, name: str) -> None:
    assert not image.folder("/source", name).exists()
    assert image.folder("/opt/oncrpc/share/man/man8/portmap.8", name).is_file()


@pytest.fixture
def volume(image: Replay) -> Path:
    """What is mounted at /data."""
    return image.folder("/data", "nfsd")


def test_container_exports_its_volume(image: Replay, volume: Path) -> None:
    """Without any capability, to a client that is on another address of its network."""
    daemon = image.container("nfsd")
    until(lambda: image.serves("tcp", "10.9.0.1", NFS_PORT), "the container serves")

    root = mount(image, "/data", address="10.9.0.1")
    NfsUser(image, 1000, 1000, "10.9.0.1").create(root, "new", mode=0o600)

    assert (volume / "new").stat().st_uid == 65534
    assert status_of(daemon.pid)["Uid"].split() == ["65534"] * 4
    assert {status_of(daemon.pid)[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {"0" * 16}
    assert status_of(daemon.pid)["NoNewPrivs"] == "1"
    daemon.send_signal(signal.Signals[image.said["nfsd"]["STOPSIGNAL"]])
    assert finished(daemon) == 0


def test_handles_outlive_the_container(image: Replay, volume: Path) -> None:
    (volume / "kept").touch()
    daemon = image.container("nfsd")
    until(lambda: image.serves("tcp", "127.0.0.1", NFS_PORT), "the container serves")
    file = NfsUser(image).lookup(mount(image, "/data"), "kept")
    daemon.kill()
    finished(daemon)

    again = image.container("nfsd")

    until(lambda: image.serves("tcp", "127.0.0.1", NFS_PORT), "the container serves again")
    assert NfsUser(image).attributes(file).fileid == (volume / "kept").stat().st_ino
    again.terminate()
    assert finished(again) == 0
