"""URLs of exported directories are parsed, and bad ones refused."""

from __future__ import annotations

import pytest

from oncrpc.errors import AddressError
from oncrpc.nfs.client.url import NfsUrl, credential_of, parse_url
from oncrpc.rpc import auth_sys
from oncrpc.rpc.prot import authsys_parms
from oncrpc.xdr import codec


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nfs://host/export", NfsUrl("host", b"/export")),
        ("nfs://host", NfsUrl("host", b"/")),
        ("nfs://host:20049/a%20b/%ff", NfsUrl("host", b"/a b/\xff", port=20049)),
        ("nfs://[::1]/e", NfsUrl("::1", b"/e")),
        ("nfs://h/e?nfsport=1&mountport=2&version=2", NfsUrl("h", b"/e", 1, 2, 2)),
        ("nfs://h/e?uid=5&gid=6", NfsUrl("h", b"/e", uid=5, gid=6)),
    ],
)
def test_url_gives_host_path_and_options(url: str, expected: NfsUrl) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://host/export", "write nfs://HOST"),
        ("nfs:///export", "write nfs://HOST"),
        ("nfs://user@host/export", "write nfs://HOST"),
        ("nfs://host/export/a#b", "write # in the path as %23"),
        ("nfs://host:99999/", "Port out of range"),
        ("nfs://host/a%00b", "NUL"),
        ("nfs://host/?version=4", "must be 2 to 3"),
        ("nfs://host/?uid=-1", "must be 0 to 4294967295"),
        ("nfs://host/?speed=1", "unknown option 'speed'"),
    ],
)
def test_invalid_url_is_refused_with_reason(url: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason):
        parse_url(url)


def test_ids_of_a_url_replace_all_groups() -> None:
    made = codec(authsys_parms).decode(credential_of(parse_url("nfs://h/?uid=5&gid=6")).body)

    assert (made.uid, made.gid, made.gids) == (5, 6, [])
    assert credential_of(parse_url("nfs://h/")).flavor == auth_sys(b"", 0, 0).flavor
