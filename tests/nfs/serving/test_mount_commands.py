"""The commands by which clients mount an export."""

from __future__ import annotations

import pytest

from oncrpc.nfs.serving.mount_commands import ServerPlace, commands


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (
            ServerPlace("127.0.0.1", 2049, 2049),
            {
                "Linux": "mount -t nfs -o vers=3,proto=tcp,port=2049,mountport=2049,mountproto=tcp"
                ",nolock 127.0.0.1:/srv /mnt",
                "macOS": "mount_nfs -o vers=3,tcp,port=2049,mountport=2049,nolocks"
                " 127.0.0.1:/srv /mnt",
                "libnfs": "nfs-ls 'nfs://127.0.0.1/srv?nfsport=2049&mountport=2049'",
            },
        ),
        (
            ServerPlace("nas", 2049, 2049, locks=True),
            {
                "Linux": "mount -t nfs -o vers=3,proto=tcp,port=2049,mountport=2049,mountproto=tcp"
                " nas:/srv /mnt",
                "macOS": "mount_nfs -o vers=3,tcp,port=2049,mountport=2049 nas:/srv /mnt",
                "libnfs": "nfs-ls 'nfs://nas/srv?nfsport=2049&mountport=2049'",
            },
        ),
        (
            ServerPlace("::1", 2049, 20048, 2),
            {
                "Linux": "mount -t nfs -o vers=2,proto=tcp6,port=2049,mountport=20048"
                ",mountproto=tcp6,nolock '[::1]:/srv' /mnt",
                "macOS": "mount_nfs -o vers=2,tcp6,port=2049,mountport=20048,nolocks"
                " '[::1]:/srv' /mnt",
                "libnfs": "nfs-ls 'nfs://[::1]/srv?nfsport=2049&mountport=20048&version=2'",
            },
        ),
    ],
)
def test_each_system_has_its_command(place: ServerPlace, expected: dict[str, str]) -> None:
    assert dict(commands(place, "/srv")) == expected


def test_paths_are_quoted_for_the_shell() -> None:
    found = dict(commands(ServerPlace("nas", 1, 1), "/it's"))

    assert found["Linux"].endswith("""'nas:/it'"'"'s' /mnt""")
