"""Write docs/reference/mount-causes.md from the table of causes of ``rpcsnoop explain``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from oncrpc.snoop.explain.causes import Cause
from oncrpc.snoop.explain.network_causes import NETWORK_CAUSES
from oncrpc.snoop.explain.program_causes import PROGRAM_CAUSES

HEAD = """\
# Causes of failed mounts

<!-- Made from the source by docs/make_reference.py; do not edit. -->

The causes that **rpcsnoop explain** reports, with its sentences. A word in italics stands for a
value from the capture. The field `cause` of `--json` has the name of the cause. The first cause in
the order of this page that explains a step is reported.
"""
SECTIONS = {"Network and port mapper": NETWORK_CAUSES, "Programs": PROGRAM_CAUSES}
PLACE = re.compile(r"{(\w+)}")


def page() -> str:
    """The text of the page."""
    return HEAD + "".join(
        f"\n## {title}\n\n" + "".join(_table(causes)) for title, causes in SECTIONS.items()
    )


def _table(causes: Sequence[Cause]) -> Iterator[str]:
    yield "| cause | why | what to do |\n|---|---|---|\n"
    for cause in causes:
        yield f"| `{cause.name}` | {_text(cause.sentence)} | {_text(cause.remedy)} |\n"


def _text(sentence: str) -> str:
    """The sentence as Markdown; it begins with a capital letter, as when it is shown."""
    sentence = re.sub(r"'([^']*)'", r"`\1`", sentence)
    shown = re.sub(r"`[^`]*`|{\w+}", _place, sentence)
    return shown if shown.startswith("*") else shown[:1].upper() + shown[1:]


def _place(found: re.Match[str]) -> str:
    """A place holder in italics; within code it is in capitals."""
    if found[0].startswith("`"):
        return PLACE.sub(lambda place: place[1].upper(), found[0])
    return f"*{found[0][1:-1].replace('_', ' ')}*"
