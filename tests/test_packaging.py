"""The packaging matches the source: container file, Debian control files, example policy."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc import __version__
from oncrpc.cli.portmap.options import parser
from oncrpc.portmap.config import SCHEMA

ROOT = Path(__file__).parent.parent
PACKAGING = ROOT / "packaging"
DEBIAN = PACKAGING / "debian"
KNOWN = {
    "FROM", "COPY", "RUN", "ENV", "USER", "EXPOSE", "VOLUME", "STOPSIGNAL", "ENTRYPOINT", "CMD",
}  # fmt: skip
MEANT = "SC1007,SC1090,SC2086"
"""Warnings of shellcheck to ignore: an empty assignment, a sourced file, split options."""

COMMANDS = {"portmap": ("portmap", "rpcinfo", "pmap_dump", "pmap_set"), "nfsd": ("nfsd", "nfs")}
"""The commands of each package; ``showmount`` is a file of nfs-common on Debian."""


def instructions() -> Iterator[tuple[str, str]]:
    """The instructions of the container file, with their arguments."""
    for line in (PACKAGING / "Containerfile").read_text().splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest


def test_container_file_has_valid_instructions() -> None:
    words = [word for word, _ in instructions()]

    assert words[0] == "FROM"
    assert set(words) <= KNOWN


@pytest.mark.parametrize(
    "source",
    [
        name
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from=")
        for name in rest.split()[:-1]
    ],
)
def test_container_file_copies_existing_files(source: str) -> None:
    assert (ROOT / source).exists()


def test_stages_copy_only_from_earlier_stages() -> None:
    stages = set[str]()
    for word, rest in instructions():
        if word == "FROM":
            stages.add(rest.rpartition(" AS ")[2])
        elif rest.startswith("--from="):
            assert rest.split()[0].removeprefix("--from=") in stages


def test_container_runs_rootless_and_not_as_root() -> None:
    said = dict(instructions())
    command = json.loads(said["ENTRYPOINT"]) + json.loads(said["CMD"])

    options = vars(parser().parse_args(command[1:]))

    assert command[0] == "portmap"
    assert options["foreground"]
    assert not options["daemon.local"]
    assert said["USER"].split(":")[0] != "0"
    assert said["EXPOSE"].split() == [
        f"{options['daemon.port']}/tcp",
        f"{options['daemon.port']}/udp",
    ]


def test_hadolint_finds_no_fault_in_the_container_file() -> None:
    assert linted("hadolint", str(PACKAGING / "Containerfile")) == ""


@pytest.mark.parametrize(
    "script",
    [
        PACKAGING / "portmap.init",
        DEBIAN / "build",
        DEBIAN / "install-completions",
        DEBIAN / "oncrpc-portmap.postinst",
        DEBIAN / "oncrpc-portmap.postrm",
    ],
    ids=lambda path: path.name,
)
def test_shellcheck_finds_no_fault_in_a_script(script: Path) -> None:
    assert linted("shellcheck", "--shell=dash", f"--exclude={MEANT}", str(script)) == ""


def linted(program: str, *arguments: str) -> str:
    """The output of a linter that is installed beside the interpreter."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.stdout


def test_the_package_has_the_version_of_the_source() -> None:
    first = (DEBIAN / "changelog").read_text().splitlines()[0]

    assert first.startswith(f"oncrpc ({__version__}) ")


def test_package_vendors_the_daemon_s_dependencies() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    brought = set(re.findall(r"^([\w-]+)==", (DEBIAN / "vendored.txt").read_text(), re.MULTILINE))

    assert {re.split(r"\W", name)[0] for name in needed} == brought


@pytest.mark.parametrize("daemon", COMMANDS)
def test_package_has_existing_commands_and_manual_pages(daemon: str) -> None:
    rules = (DEBIAN / "rules").read_text()
    commands = re.findall(rf"^COMMANDS_{daemon} := (.*)$", rules, re.MULTILINE)[0].split()
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

    assert commands == list(COMMANDS[daemon])
    assert {name: f"oncrpc.cli.entry:{name}" for name in commands}.items() <= scripts.items()
    assert [name for name in commands if not any((ROOT / "docs/man").glob(f"{name}.[18]"))] == []


def test_classified_python_versions_are_the_tested_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    classified = [
        found[1]
        for classifier in project["classifiers"]
        if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", classifier))
    ]
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    tested = re.findall(r"^\| (3\.\d+)\.\d+ \|", contributing, re.MULTILINE)

    assert classified == tested
    assert project["requires-python"] == f">={tested[0]}"


def test_extra_all_has_every_extra_for_users() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]

    named = set(re.findall(r"\w+", extras["all"][0])) - {"oncrpc"}

    assert named == set(extras) - {"all", "bench", "dev", "docs", "pyfuse3"}


@pytest.mark.parametrize("edited", [False, True], ids=["as it is", "with every line"])
def test_the_example_of_a_policy_can_be_used(edited: bool) -> None:
    text = (PACKAGING / "portmap.toml").read_text()
    if edited:
        text = re.sub(r"^#(?! )", "", text, flags=re.MULTILINE)

    policy = SCHEMA.parse(text, "portmap.toml")

    assert len(policy.rule) == (2 if edited else 0)
