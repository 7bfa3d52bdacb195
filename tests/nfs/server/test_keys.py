"""``oncrpc.nfs.server.keys``: the files that keep handles valid over a restart."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.state.directory import Directory
from oncrpc.nfs.handles import KEY_SIZE, MAX_TAG
from oncrpc.nfs.server.keys import Keys, Tags, fingerprint_of, open_keys

KEY = bytes(range(KEY_SIZE))
KEY_TEXT = f"nfsd key 1\n{KEY.hex()}\n"
HEAD = f"nfsd tags 1\nkey {fingerprint_of(KEY)}\n"
ONE_TAG = HEAD + '1 "fsid=7"\n'


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    tmp_path.chmod(0o700)
    opened = Directory(str(tmp_path))
    yield opened
    opened.close()


def put(directory: Directory, name: str, text: str, mode: int = 0o600) -> Path:
    path = Path(directory.path) / name
    path.write_text(text)
    path.chmod(mode)
    return path


def put_both(directory: Directory, key: str | None, tags: str | None) -> None:
    for name, text in (("key", key), ("tags", tags)):
        if text is not None:
            put(directory, name, text)


def test_key_is_made_once(directory: Directory) -> None:
    first, second = open_keys(directory), open_keys(directory)

    assert first.key == second.key
    assert len(first.key) == KEY_SIZE


def test_keys_of_two_directories_differ(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir(mode=0o700)
        opened = Directory(str(tmp_path / name))
        made.append(open_keys(opened).key)
        opened.close()

    assert made[0] != made[1]


def test_both_files_are_for_the_owner_only(directory: Directory) -> None:
    open_keys(directory)

    for name in ("key", "tags"):
        status = (Path(directory.path) / name).stat()
        assert stat.S_IMODE(status.st_mode) == 0o600


def test_files_begin_with_a_version(directory: Directory) -> None:
    key = open_keys(directory).key

    assert (Path(directory.path) / "key").read_text() == f"nfsd key 1\n{key.hex()}\n"
    assert (Path(directory.path) / "tags").read_text().startswith("nfsd tags 1\n")


def test_fingerprint_does_not_show_the_key() -> None:
    assert fingerprint_of(KEY) not in KEY.hex()
    assert len(fingerprint_of(KEY)) == 16


def test_tag_is_the_same_after_a_restart(directory: Directory) -> None:
    names = ["fsid=7", "uuid=1", 'quo"ted', "new\nline", "\udcff", "ü"]
    before = open_keys(directory).tags.tags_for(names)

    after = open_keys(directory).tags.tags_for(list(reversed(names)))

    assert before == [1, 2, 3, 4, 5, 6]
    assert after == before[::-1]


def test_tag_of_a_gone_export_is_not_reused(directory: Directory) -> None:
    open_keys(directory).tags.tags_for(["gone", "kept"])

    tags = open_keys(directory).tags

    assert tags.tag_for("new") == 3
    assert tags.tag_for("gone") == 1


def test_tag_is_on_disk_before_it_is_used(directory: Directory) -> None:
    keys = open_keys(directory)
    keys.tags.tag_for("fsid=7")

    text = (Path(directory.path) / "tags").read_text()

    assert text == f'nfsd tags 1\nkey {fingerprint_of(keys.key)}\n1 "fsid=7"\n'


def test_full_disk_gives_no_tag(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    full = False

    def write(descriptor: int, data: bytes) -> int:
        if full:
            raise OSError(28, "No space left on device")
        return os.write(descriptor, data)

    directory = Directory(str(tmp_path), write=write)
    tags = open_keys(directory).tags
    full = True
    with pytest.raises(StartError, match=r"cannot write .*/tags: No space left on device"):
        tags.tag_for("fsid=7")
    full = False

    assert len(tags) == 0
    assert tags.tag_for("fsid=8") == 1
    directory.close()


def test_known_tags_are_not_written_again(directory: Directory) -> None:
    tags = open_keys(directory).tags
    tags.tag_for("fsid=7")
    written = (Path(directory.path) / "tags").stat().st_ino

    tags.tag_for("fsid=7")

    assert (Path(directory.path) / "tags").stat().st_ino == written


def test_exhausted_tags_are_an_error() -> None:
    tags = Tags({str(number): number for number in range(1, MAX_TAG + 1)})

    assert tags.tag_for("65535") == MAX_TAG
    with pytest.raises(StartError, match="no tag is left for another export: 65535 have been"):
        tags.tag_for("one more")
    assert len(tags) == MAX_TAG


@pytest.mark.parametrize("identity", ["", "x" * 4097])
def test_identity_has_a_length(identity: str) -> None:
    with pytest.raises(ValueError, match="an identity of"):
        Tags({}).tag_for(identity)


def test_without_a_directory_nothing_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "oncrpc.nfs"):
        first, second = open_keys(None), open_keys(None)

    assert first.key != second.key
    assert first.tags.tag_for("fsid=7") == 1
    assert "file handles are not kept on disk" in caplog.text
    assert "ESTALE" in caplog.text


@pytest.mark.parametrize(
    ("key", "tags", "fault"),
    [
        (None, ONE_TAG, "key is missing"),
        (KEY_TEXT, None, "tags is missing"),
        ("", HEAD, "key is damaged"),
        (KEY_TEXT[:-2], HEAD, "key is damaged"),
        (KEY_TEXT + "\n", HEAD, "key is damaged"),
        (KEY_TEXT.upper(), HEAD, "key is damaged"),
        ("nfsd key 2\nx\n", HEAD, r"key is of another version of the daemon \('nfsd key 2'"),
        (KEY_TEXT, "", "tags is damaged"),
        (KEY_TEXT, ONE_TAG[:-3], "tags is damaged"),
        (KEY_TEXT, ONE_TAG + "junk\n", "tags is damaged"),
        (KEY_TEXT, HEAD.replace("tags 1", "tags 9"), "tags is of another version"),
        (KEY_TEXT, HEAD + '2 "fsid=7"\n', "tags is damaged in line 3"),
        (KEY_TEXT, ONE_TAG + '2 "fsid=7"\n', "tags is damaged in line 4"),
        (KEY_TEXT, ONE_TAG + '1 "fsid=8"\n', "tags is damaged in line 4"),
        (KEY_TEXT, ONE_TAG + '2 "\\x"\n', "tags is damaged in line 4"),
        (KEY_TEXT, ONE_TAG + '2 ""\n', "tags is damaged in line 4"),
        (KEY_TEXT.replace("00", "01", 1), ONE_TAG, "tags belongs to another key"),
    ],
)
def test_a_lost_or_damaged_file_is_an_error(
    directory: Directory, key: str | None, tags: str | None, fault: str
) -> None:
    put_both(directory, key, tags)

    with pytest.raises(StartError, match=fault) as caught:
        open_keys(directory)

    assert "restore" in str(caught.value)
    assert "remove both files" in str(caught.value)
    assert "ESTALE" in str(caught.value)


def test_damaged_files_are_left_alone(directory: Directory) -> None:
    put_both(directory, "damaged", ONE_TAG)

    with pytest.raises(StartError):
        open_keys(directory)

    assert (Path(directory.path) / "key").read_text() == "damaged"
    assert (Path(directory.path) / "tags").read_text() == ONE_TAG


def test_crash_during_the_first_start_is_harmless(directory: Directory) -> None:
    put_both(directory, None, HEAD)

    keys = open_keys(directory)

    assert keys.key != KEY
    assert open_keys(directory).key == keys.key


@pytest.mark.parametrize("name", ["key", "tags"])
def test_file_open_to_others_is_refused(directory: Directory, name: str) -> None:
    put_both(directory, KEY_TEXT, ONE_TAG)
    (Path(directory.path) / name).chmod(0o640)

    with pytest.raises(StartError, match=f"{name} cannot be used: it is open to others"):
        open_keys(directory)


@pytest.mark.parametrize("name", ["key", "tags"])
def test_symbolic_link_is_refused(directory: Directory, tmp_path: Path, name: str) -> None:
    put_both(directory, KEY_TEXT, ONE_TAG)
    (tmp_path / name).rename(tmp_path / "elsewhere")
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StartError, match=f"{name} cannot be used: Too many levels of symbolic"):
        open_keys(directory)


@pytest.mark.parametrize("name", ["key", "tags"])
def test_pipe_is_refused_at_once(directory: Directory, tmp_path: Path, name: str) -> None:
    put_both(directory, KEY_TEXT, ONE_TAG)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name, 0o600)

    with pytest.raises(StartError, match=f"{name} cannot be used: it is not a regular file"):
        open_keys(directory)


@pytest.mark.parametrize("name", ["key", "tags"])
def test_file_of_another_user_is_refused(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    put_both(directory, KEY_TEXT, ONE_TAG)
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(Path(directory.path) / name, 12345, -1)

    with pytest.raises(StartError, match=f"{name} cannot be used: it belongs to uid 12345"):
        open_keys(directory)


def test_keys_round_trip(directory: Directory) -> None:
    put_both(directory, KEY_TEXT, ONE_TAG)

    found: Keys = open_keys(directory)

    assert found.key == KEY
    assert found.tags.tag_for("fsid=7") == 1


IDENTITIES = st.lists(st.text(min_size=1, max_size=20), max_size=8)


@settings(max_examples=25)
@given(before=IDENTITIES, after=IDENTITIES)
def test_no_tag_ever_changes_its_export(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], after: list[str]
) -> None:
    place = tmp_path_factory.mktemp("state")
    place.chmod(0o700)
    directory = Directory(str(place))
    first = dict(zip(before, open_keys(directory).tags.tags_for(before), strict=True))

    second = dict(zip(after, open_keys(directory).tags.tags_for(after), strict=True))

    directory.close()
    both = first | second
    assert all(both[name] == tag for name, tag in first.items())
    assert len(set(both.values())) == len(both)
