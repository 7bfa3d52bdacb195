"""The running server explains its exports, also those of the command line."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from oncrpc.daemon.control.server import RefusedRequest
from oncrpc.nfs.daemon.explaining import EXPLAIN, MountExplanation, question
from support.loops import run
from support.nfs_daemons import RW, RunningNfsd, exports_file, nfsd_setup, serving_nfsd


async def answer(daemon: RunningNfsd, about: str) -> MountExplanation:
    """The answer over the control socket's table."""
    found = await daemon.app.requests()[EXPLAIN](about)
    assert isinstance(found, MountExplanation)
    return found


def test_directories_of_the_command_line_are_explained(share: Path, state: Path) -> None:
    async def scenario() -> None:
        made = nfsd_setup(state, directories=[str(share)], to=["192.0.2.0/24(ro,insecure)"])
        async with serving_nfsd(made) as daemon:
            granted = await answer(daemon, question("192.0.2.7", bytes(share / "below")))
            refused = await answer(daemon, question("198.51.100.1", bytes(share)))
            assert (granted.granted, granted.export) == (True, str(share))
            assert granted.lines[0].endswith("read only")
            assert granted.works_as["user"].uid == 1000
            assert (refused.granted, refused.compared[0].outcome) == (False, "does not match")

    run(scenario())


def test_exports_in_force_are_explained(share: Path, state: Path) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{share} 192.0.2.1({RW})")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            exports_file(state, f"{share} *(nonsense)")
            daemon.reread()
            assert (await answer(daemon, question("192.0.2.1", bytes(share)))).granted

    run(scenario())


def test_path_need_not_be_utf_8(tmp_path: Path, state: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(folder)

    async def scenario() -> None:
        (state / "exports").write_bytes(folder + b" *(" + RW.encode() + b")\n")
        async with serving_nfsd(nfsd_setup(state, exports=state / "exports")) as daemon:
            found = await answer(daemon, question("192.0.2.1", folder))
            assert found.granted
            assert found.export == f"{tmp_path}/\\xff"
            assert f"{tmp_path}/\\xff" in found.lines[0]
            assert b"/\\\\xff" in msgspec.json.encode(daemon.snapshot())

    run(scenario())


@pytest.mark.parametrize("about", ["", "192.0.2.1", "192.0.2.1 ", "name /srv"])
def test_other_questions_are_refused(state: Path, about: str) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=state / "none")) as daemon:
            with pytest.raises(RefusedRequest):
                await answer(daemon, about)

    run(scenario())
