"""``oncrpc.nfs.exports.backend_choice``: paths of stores, and no password in a text."""

from __future__ import annotations

import pytest

from oncrpc.nfs.exports.backend_choice import FSSPEC, BackendChoice, path_of_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("s3://bucket", "/bucket"),
        ("s3://Bucket//photos/", "/Bucket/photos"),
        ("memory://", "/memory"),
        ("memory:///data", "/data"),
        ("simplecache::s3://bucket/a", "/bucket/a"),
        ("simplecache::memory://", "/memory"),
        ("sftp://user:secret@host/srv/../data?x=1#y", "/host/srv/data"),
        ("github://owner:repository@", "/github"),
    ],
)
def test_store_is_exported_as_its_place(url: str, path: str) -> None:
    assert path_of_url(url) == path


def test_settings_of_a_store_are_not_shown() -> None:
    choice = BackendChoice(name=FSSPEC, url="sftp://u:secret@h", storage={"key": "secret"})

    assert "secret" not in repr(choice)
