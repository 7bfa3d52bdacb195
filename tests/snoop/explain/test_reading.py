"""Captures of mounts that failed for real are explained by their causes."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.snoop.capture.files import frames_of_file
from oncrpc.snoop.explain.reading import mount_history
from oncrpc.snoop.explain.verdicts import judged_attempts
from support.mount_failures import SCENARIOS, cause_of
from support.mount_recordings import CAPTURES

PEERS = sorted((CAPTURES.parent / "peers").glob("*.pcap"))
RECORDED = sorted(CAPTURES.glob("*.pcap"))


@pytest.mark.parametrize("capture", RECORDED, ids=lambda path: path.stem)
def test_recorded_mount_has_its_cause(capture: Path) -> None:
    history = mount_history(frames_of_file(capture))

    assert [each.verdict.cause.name for each in judged_attempts(history.attempts)] == [capture.stem]


@pytest.mark.parametrize("capture", PEERS, ids=lambda path: path.stem)
def test_captures_of_peers_have_no_failure(capture: Path) -> None:
    history = mount_history(frames_of_file(capture))

    assert all(each.verdict.healthy for each in judged_attempts(history.attempts))


def test_each_scenario_has_a_small_capture() -> None:
    assert {path.stem for path in RECORDED} == {cause_of(each) for each in SCENARIOS}
    assert max(path.stat().st_size for path in RECORDED) < 20_000


def test_truncated_capture_is_explained_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes((CAPTURES / "mount-denied.pcap").read_bytes() + b"\0\0")

    history = mount_history(frames_of_file(path))

    assert history.damage is not None
    assert [each.verdict.cause.name for each in judged_attempts(history.attempts)] == [
        "mount-denied"
    ]
