"""The XDR routines that rpcgen writes, compiled into a program for each interface.

A program decodes bytes as a type, and encodes what it has decoded (byte_matrix/driver.c).
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from idl.test_interfaces import read
from support.hosts import compiled
from support.matrix_types import Subject, subjects_of

DRIVER = Path(__file__).parents[1] / "interop" / "byte_matrix" / "driver.c"
HEADERS = {
    # As libtirpc ships it: its <rpc/rpc.h> needs these types, and has the same guard.
    "rpcb_prot.h": "#include <rpc/rpc.h>\n",
    # Debian has no such file, and its <rpcsvc/nis.h> has no XDR routines.
    "nis_clnt.h": '#include "nis.h"\n',
    "rpcsvc/nis.h": '#include "../nis.h"\n',
}
"""Headers that rpcgen must not generate."""

CONTINUED = re.compile(r"\\\n[%\s]*")
"""The end of a ``%`` line that goes on in the next one, at which rpcgen stops."""

DEFINES = {
    "crypt": ["-D__FBSDID(text)="],
    "rpcb_prot": [f"-Dxdr_rpc{name}_t=xdr_u_int32_t" for name in ("prog", "vers", "proc")],
}
"""What an interface takes from the headers of another system, or from none."""

LINKED = {"nis_callback": ["nis"]}
"""Interfaces whose routines an interface calls."""

C_TYPES = {"netbuf": "struct netbuf"}
"""Types that C names otherwise."""


class Answer(NamedTuple):
    """The result of C for some bytes; ``again`` is the value, encoded again."""

    accepted: bool
    again: bytes
    crashed: bool = False


class Driver:
    """One interface's program."""

    def __init__(self, program: Path, subjects: Sequence[Subject]) -> None:
        self.program = program
        self.indexes = {subject.name: number for number, subject in enumerate(subjects)}

    def ask(self, name: str, wires: Sequence[bytes]) -> list[Answer]:
        """The result of C for each; the program is restarted after a crash."""
        answers: list[Answer] = []
        while len(answers) < len(wires):
            rest = wires[len(answers) :]
            asked = b"".join(self._request(name, wire) for wire in rest)
            done = subprocess.run(
                [self.program], input=asked, capture_output=True, timeout=120, check=False
            )
            answers += _answers(done.stdout)
            if done.returncode == 2:
                raise AssertionError(f"{name}: C cannot encode {wires[len(answers)].hex()}")
            if done.returncode:
                answers.append(Answer(False, b"", crashed=True))
        return answers

    def _request(self, name: str, wire: bytes) -> bytes:
        return struct.pack("=II", self.indexes[name], len(wire)) + wire


def _answers(printed: bytes) -> Iterable[Answer]:
    at = 0
    while at < len(printed):
        accepted, size = struct.unpack_from("=II", printed, at)
        yield Answer(bool(accepted), printed[at + 8 : at + 8 + size])
        at += 8 + size


def drivers(paths: Sequence[str], folder: Path) -> dict[str, Driver]:
    """Compile the programs of interfaces; as many at once as there are processors."""
    (folder / "rpcsvc").mkdir()
    for name, text in HEADERS.items():
        (folder / name).write_text(text)
    for path in paths:
        (folder / Path(path).name).write_text(CONTINUED.sub(" ", read(path)))
    for path in paths:
        subjects_of(path)  # kept: in CPython 3.11 two threads must not parse Python at a time
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        stems = [Path(path).stem for path in paths]
        list(pool.map(partial(_generated, folder), stems))
        return dict(zip(paths, pool.map(partial(_driver, folder), paths), strict=True))


def _generated(folder: Path, stem: str) -> None:
    if f"{stem}.h" not in HEADERS:
        compiled(["rpcgen", "-h", "-o", f"{stem}.h", f"{stem}.x"], folder)
    compiled(["rpcgen", "-c", "-o", f"{stem}_xdr.c", f"{stem}.x"], folder)


def _driver(folder: Path, path: str) -> Driver:
    stem, subjects = Path(path).stem, subjects_of(path)
    here = folder / stem
    here.mkdir()
    lines = [f'#include "{stem}.h"', *(f"bool_t xdr_{subject.routine}();" for subject in subjects)]
    rows = ", ".join(_row(subject) for subject in subjects)
    (here / "types.h").write_text("\n".join([*lines, f"#define TYPES {rows}\n"]))
    sources = [f"{name}_xdr.c" for name in (stem, *LINKED.get(stem, ()))]
    flags = ["-w", "-O1", f"-I{here}", "-I.", "-I/usr/include/tirpc", *DEFINES.get(stem, ())]
    compiled(["gcc", *flags, "-o", str(here / "driver"), str(DRIVER), *sources, "-ltirpc"], folder)
    return Driver(here / "driver", subjects)


def _row(subject: Subject) -> str:
    name = subject.routine
    return f"{{sizeof({C_TYPES.get(name, name)}), (xdrproc_t)xdr_{name}, {int(subject.chained)}}}"
