"""Mounts that fail for real, at our servers, nfs-ganesha and hosts without any, are explained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from oncrpc.snoop.capture.files import frames_of_file
from oncrpc.snoop.explain.reading import mount_history
from oncrpc.snoop.explain.verdicts import judged_attempts
from support.mount_failures import SCENARIOS, cause_of
from support.mount_recordings import recorded
from support.namespace import need

pytestmark = [pytest.mark.interop, pytest.mark.slow]


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """A capture of each scenario, made now."""
    need("nfs-ls", "ganesha.nfsd")
    return recorded(tmp_path_factory.mktemp("mounts"))


@pytest.mark.parametrize("cause", [cause_of(each) for each in SCENARIOS])
def test_mount_is_explained(captures: Mapping[str, bytes], tmp_path: Path, cause: str) -> None:
    path = tmp_path / "capture"
    path.write_bytes(captures[cause])

    history = mount_history(frames_of_file(path))

    assert [each.verdict.cause.name for each in judged_attempts(history.attempts)] == [cause]
