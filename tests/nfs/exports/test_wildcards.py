"""``oncrpc.nfs.exports.wildcards``: the patterns of nfs-utils for names."""

from __future__ import annotations

import fnmatch
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.exports.places import BadExport
from oncrpc.nfs.exports.wildcards import MAX_WILDCARD, WildcardPattern


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "", True),
        ("*.cs.foo.edu", "a.cs.foo.edu", True),
        ("*.cs.foo.edu", "a.b.cs.foo.edu", True),
        ("*.cs.foo.edu", "cs.foo.edu", False),
        ("proj*.local.domain", "PROJ7.local.domain", True),
        ("pc?", "pc1", True),
        ("pc?", "pc", False),
        ("pc?", "pc12", False),
        ("buildhost[0-9].local.domain", "buildhost3.local.domain", True),
        ("buildhost[0-9].local.domain", "buildhostx.local.domain", False),
        ("h[^0-9]", "hx", True),
        ("h[^0-9]", "h1", False),
        ("h[abc]", "hB", True),
        ("h[a-c]", "hB", False),
        ("h[]x]", "h]", True),
        ("h[-x]", "h-", True),
        ("h[x-]", "h-", True),
        ("h[^]]", "h]", False),
        (r"h\*", "h*", True),
        (r"h\*", "hx", False),
        ("h\\", "h\\", True),
        ("a*b*c", "aXbXbYc", True),
        ("a*b*c", "aXbXbY", False),
    ],
)
def test_wildcard_matches_as_in_nfs_utils(pattern: str, name: str, matches: bool) -> None:
    assert WildcardPattern(pattern).matches(name) is matches


@given(st.text("ab.*?", max_size=12), st.text("ab.", max_size=12))
def test_stars_and_marks_match_as_in_shells(pattern: str, name: str) -> None:
    expected = re.fullmatch(fnmatch.translate(pattern), name)

    assert WildcardPattern(pattern).matches(name) is bool(expected)


@pytest.mark.parametrize("pattern", ["a[", "a[b", "a[]", "[^", "a[b-"])
def test_open_class_is_an_error(pattern: str) -> None:
    with pytest.raises(BadExport, match="without an end"):
        WildcardPattern(pattern)


def test_long_pattern_is_an_error() -> None:
    with pytest.raises(BadExport, match="too long"):
        WildcardPattern("a" * (MAX_WILDCARD + 1))


def test_many_stars_do_not_cost_much() -> None:
    pattern, name = WildcardPattern("*a" * 100 + "b"), "a" * 250

    began = time.process_time()
    assert not pattern.matches(name)

    assert time.process_time() - began < 1
