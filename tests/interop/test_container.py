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


class Replay(Host):
    """A host that executes the steps, and the image's settings collected from them."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = ""
        self.path_variable = IMAGE_PATH
        self.said: dict[str, str] = {}

    def play(self, text: str) -> None:
        """Execute every step of a container file."""
        for line in text.splitlines():
            if line and not line.startswith("#"):
                word, _, rest = line.partition(" ")
                step = {"FROM": self._from, "COPY": self._copy, "RUN": self._run, "ENV": self._env}
                step.get(word, lambda rest, word=word: self.said.update({word: rest}))(rest)

    def folder(self, path: str, stage: str = "") -> Path:
        """A path in the image of a stage."""
        return Path(self.path(f"/run/{stage or self.stage}/root{path}"))

    def _from(self, image: str) -> None:
        _, _, name = image.partition(" AS ")
        self.stage, self.path_variable = name or "final", IMAGE_PATH
        self.said.clear()
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

    def container(self, *arguments: str) -> subprocess.Popen[str]:
        """Run the image's command as its user; arguments replace those of CMD."""
        user, group = self.said["USER"].split(":")
        own = json.loads(self.said["ENTRYPOINT"])
        root = ["chroot", f"--userspec={user}:{group}", f"/run/{self.stage}/root"]
        command = [*own, *(arguments or json.loads(self.said["CMD"]))]
        return self.popen([*root, "env", "-i", f"PATH={self.path_variable}", *command])


@pytest.fixture(scope="module")
def image() -> Iterator[Replay]:
    """A host with the built image."""
    need("chroot", "/usr/bin/python3")
    with Replay() as made:
        made.play((SOURCE / "packaging" / "Containerfile").read_text())
        yield made


def test_container_serves_without_root(image: Replay) -> None:
    port = int(json.loads(image.said["CMD"])[1])

    daemon = image.container()
    until(lambda: image.serves("tcp", "10.9.0.1", port), "the container serves")

    with sync.run(image.dial("tcp", "10.9.0.1", port)) as link:
        found = sync.run(RPCBVERS4.Client(link).RPCBPROC_DUMP())
    assert {entry.rpcb_map.r_prog for entry in found} == {100000}
    assert status_of(daemon.pid)["Uid"].split() == ["65534"] * 4
    assert status_of(daemon.pid)["CapEff"] == "0" * 16
    daemon.send_signal(signal.Signals[image.said["STOPSIGNAL"]])
    assert finished(daemon) == 0


def test_arguments_take_the_place_of_its_port(image: Replay) -> None:
    image.container("-p", "10112", "-4")

    until(lambda: image.serves("tcp", "127.0.0.1", 10112), "the container serves")


def test_image_does_not_contain_the_source(image: Replay) -> None:
    assert not image.folder("/source").exists()
    assert image.folder("/opt/oncrpc/share/man/man8/portmap.8").is_file()
