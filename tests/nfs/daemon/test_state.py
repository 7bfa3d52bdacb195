"""What the server keeps over restarts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from oncrpc.daemon.config.values import StartError
from oncrpc.nfs.daemon.state import LeftState, left_state, open_state


def test_key_is_in_the_directory_only(state: Path) -> None:
    opened = open_state(str(state), LeftState())
    assert opened.directory is not None

    left = opened.left(b"[1]", {"mount": b"{}"})
    opened.directory.close()

    assert (left.key, left.tags, bytes(left.duplicates)) == (b"", {}, b"[1]")
    assert left.parts == {"mount": b"{}"}
    assert (state / "key").exists()


def test_key_without_directory_goes_to_the_next_image() -> None:
    first = open_state(None, LeftState())
    first.keys.tags.tag_for("fsid=7")

    left = left_state(msgspec.json.encode(first.left(b"[]", {})))
    second = open_state(None, left)

    assert second.keys.key == first.keys.key
    assert second.keys.tags.tag_for("fsid=7") == 1


def test_nothing_left_is_a_first_start() -> None:
    assert left_state(b"null") == LeftState()


def test_unknown_handover_is_a_first_start(caplog: pytest.LogCaptureFixture) -> None:
    assert left_state(b'{"tags": 7}') == LeftState()
    assert "not understood" in caplog.text


def test_damaged_key_leaves_the_directory_unlocked(state: Path) -> None:
    opened = open_state(str(state), LeftState())
    assert opened.directory is not None
    opened.directory.close()
    (state / "key").write_text("nonsense")

    for _ in range(2):
        with pytest.raises(StartError, match="is damaged"):
            open_state(str(state), LeftState())
