"""The programme ``posix.c`` on a mount of any back end: what is run, and what must be the same.

The lines on the mount are compared with those on a file system of this host. What a back end does
not have by its features is left out of both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

from oncrpc.nfs.filesystem import Features
from support.hosts import Host

SECTIONS = (
    "create", "links", "symlinks", "renames", "special", "times", "sizes", "maps", "patterns",
    "permissions", "groups", "many", "deep",
)  # fmt: skip
LARGEST = 5 << 30
"""Bytes of the largest file in the section ``sizes``."""

MANY = 200
"""Files of the section ``many``."""


class Exclusion(NamedTuple):
    """What is left out of the programme: sections, and lines of others."""

    reason: str
    applies: Callable[[Features], bool]
    sections: Sequence[str] = ()
    lines: str = ""


EXCLUSIONS = (
    Exclusion(
        "no hard links: link() fails",
        lambda has: not has.hard_links,
        sections=("links",),
        lines=r"  link a file of root: ",
    ),
    Exclusion(
        "no symbolic links: symlink() fails",
        lambda has: not has.symlinks,
        sections=("symlinks",),
        lines=r"a symbolic link's own: |the link has it: |\./\S+ 12",
    ),
    Exclusion(
        "no special files: mknod() fails with another error",
        lambda has: not has.special_files,
        sections=("special",),
        lines=r"  a device: ",
    ),
    Exclusion(
        "files are never that large",
        lambda has: has.max_file_size < LARGEST,
        sections=("sizes",),
    ),
    Exclusion(
        "the link count of a directory is always 1",
        lambda has: not has.counts_directories,
        lines=r"the parent counts it: |a directory with one below has three links: ",
    ),
)


class Peculiarity(NamedTuple):
    """What a file system of others does in another way, so that it is left out."""

    reason: str = ""
    sections: frozenset[str] = frozenset()
    lines: str = "(?!)"


PECULIARITIES = {
    "pyfuse3 passthroughfs": Peculiarity(
        "its blocks are counted by the size", lines="a hole takes no room: "
    ),
    "pyfuse3 tmpfs": Peculiarity(
        "files without holes, symbolic links of size 0, directories whose time stays",
        sections=frozenset({"patterns", "symlinks"}),
        lines="creating changes the directory's time: ",
    ),
    "s3": Peculiarity(
        "keys are UTF-8",
        lines=r"create a name that is not UTF-8: |\./create/\?\? ",
    ),
}
NO_PECULIARITY = Peculiarity()
DIRECTORY_LINKS = re.compile(r"(?<= 4\d{4} links )\d+")
"""In a line of the tree: the link count of a directory."""

GROUPS_OF_SERVER = frozenset({"groups"})
"""Needs a server that looks up the groups of users; nfsd does with ``manage-gids``."""

SEVERAL_USERS = frozenset({"permissions", "groups"})
"""Needs a server that works as the user of each call."""


def sections_for(
    has: Features, *, name: str = "", without: Collection[str] = GROUPS_OF_SERVER
) -> list[str]:
    """The sections that a back end can run, except those ``without`` which it is to run."""
    left_out = {each for exclusion in _applying(has) for each in exclusion.sections}
    left_out |= PECULIARITIES.get(name, NO_PECULIARITY).sections | {*without}
    return [each for each in SECTIONS if each not in left_out]


def differences(
    seen: Sequence[str], expected: Sequence[str], has: Features, *, name: str = ""
) -> str:
    """The lines that differ on a back end with these features, as diff(1) shows them.

    ``name`` is that of the file system in ``PECULIARITIES``.
    """
    patterns = [re.compile(each.lines) for each in _applying(has) if each.lines]
    patterns.append(re.compile(PECULIARITIES.get(name, NO_PECULIARITY).lines))
    left, right = (_comparable(lines, has, patterns) for lines in (expected, seen))
    return "\n".join(unified_diff(left, right, "local", "mount", n=0, lineterm=""))


def _comparable(
    lines: Sequence[str], has: Features, patterns: Sequence[re.Pattern[str]]
) -> list[str]:
    """The lines that must be the same."""
    if not has.counts_directories:
        lines = [DIRECTORY_LINKS.sub("-", line) for line in lines]
    kept = (line for line in lines if not any(each.match(line) for each in patterns))
    return [line.rstrip() for line in kept]  # a guest's console drops spaces at the end


def command(
    place: str, sections: Sequence[str], *, program: str = "posix", many: int = MANY
) -> list[str]:
    """The command that runs the programme in an empty directory."""
    return ["env", f"POSIX_MANY={many}", program, place, *sections]


def run_locally(
    host: Host,
    program: Path,
    place: str,
    sections: Sequence[str],
    *,
    uid: int = 0,
    many: int = MANY,
) -> list[str]:
    """What the compiled programme prints on a host, in a directory that is made if missing."""
    host.sh(f"mkdir -p {place} && chown {uid}:{uid} {place}")
    words = command(".", sections, program="/run/posix", many=many)
    host.sh(f"cp {program} /run/posix")
    done = host.run(["env", "-C", place, *words], uid=uid, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _applying(has: Features) -> Iterator[Exclusion]:
    return (each for each in EXCLUSIONS if each.applies(has))
