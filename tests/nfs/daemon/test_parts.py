"""The programs as parts of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.daemon.control.server import RefusedRequest
from oncrpc.nfs.daemon.mount_part import MountPart
from oncrpc.nfs.daemon.part import Part
from oncrpc.nfs.daemon.parts import NfsPart
from oncrpc.nfs.daemon.vocabulary import PROGRAMS, versions_of
from support.loops import run
from support.nfs_daemons import nfsd_setup, serving_nfsd


@pytest.mark.parametrize(
    ("only", "parts"), [(["nfs"], [NfsPart, MountPart]), (["mount"], [MountPart])]
)
def test_only_needed_parts_are_made(only: list[str], parts: list[type[Part]], state: Path) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=state / "none", only=only)) as daemon:
            assert [type(part) for part in daemon.app.parts] == parts
            assert [daemon.app.part(kind) for kind in parts] == daemon.app.parts

    run(scenario())


def test_every_version_has_a_service(state: Path) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=state / "none")) as daemon:
            served = {service.version for service in daemon.app.services()}
            assert served == set(versions_of([*PROGRAMS], [2, 3])) == set(daemon.app.programs)

    run(scenario())


@pytest.mark.parametrize("name", ["locks", "free"])
def test_requests_about_missing_locks_are_refused(state: Path, name: str) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, only=["status"])) as daemon:
            with pytest.raises(RefusedRequest, match="nlm is not among its programs"):
                await daemon.app.requests()[name]("")

    run(scenario())


def test_part_that_keeps_nothing_leaves_nothing(state: Path) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=state / "none")) as daemon:
            part = Part(daemon.app.parts[0].site)
            assert (part.leave(), [*part.descriptors()], [*part.faults()]) == (b"", [], [])
            assert [*part.services()] == []

    run(scenario())
