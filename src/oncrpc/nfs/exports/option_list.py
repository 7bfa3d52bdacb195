"""Lists of options in exports(5): the meaning of each option, or a note that it has no effect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from oncrpc.nfs.exports.places import BadExport, Severity, shown
from oncrpc.nfs.exports.words import OptionWord
from oncrpc.nfs.options import NO_ID, SERVED_FLAVORS, ExportOptions, FlavorOptions

FLAGS: Mapping[str, tuple[str, bool]] = {
    "ro": ("ro", True),
    "rw": ("ro", False),
    "secure": ("secure", True),
    "insecure": ("secure", False),
    "sync": ("sync", True),
    "async": ("sync", False),
    "nordirplus": ("readdirplus", False),
    "security_label": ("security_label", True),
    "sign_fh": ("sign_fh", True),
    "nohide": ("nohide", True),
    "hide": ("nohide", False),
    "crossmnt": ("crossmnt", True),
    "nocrossmnt": ("crossmnt", False),
    "wdelay": ("wdelay", True),
    "no_wdelay": ("wdelay", False),
    "root_squash": ("root_squash", True),
    "no_root_squash": ("root_squash", False),
    "all_squash": ("all_squash", True),
    "no_all_squash": ("all_squash", False),
    "subtree_check": ("subtree_check", True),
    "no_subtree_check": ("subtree_check", False),
    "auth_nlm": ("insecure_locks", False),
    "secure_locks": ("insecure_locks", False),
    "no_auth_nlm": ("insecure_locks", True),
    "insecure_locks": ("insecure_locks", True),
    "acl": ("acl", True),
    "no_acl": ("acl", False),
    "pnfs": ("pnfs", True),
    "no_pnfs": ("pnfs", False),
}
"""Options without a value: the field, and what it becomes."""

PER_FLAVOR = ("ro", "secure", "root_squash", "all_squash")
"""Fields that may depend on the flavor: options behind ``sec=`` are for its flavors."""

FLAVORS = {
    "sys": "sys", "unix": "sys", "none": "none", "null": "none",
    "krb5": "krb5", "krb5i": "krb5i", "krb5p": "krb5p",
}  # fmt: skip
TLS = ("none", "tls", "mtls")
REEXPORT = ("auto-fsidnum", "predefined-fsidnum", "none")

NO_NFS4 = "the option is for NFS 4, which this server does not have"
NOTES: Mapping[str, str] = {
    "no_wdelay": "writes to stable storage are never delayed",
    "subtree_check": "handles are signed: no file outside the export can be reached",
    "sign_fh": "handles are always signed",
    "pnfs": NO_NFS4,
    "security_label": NO_NFS4,
    "refer": NO_NFS4,
    "replicas": NO_NFS4,
    "reexport": "the numbers of file systems are kept for all exports",
    "xprtsec": "this server does not have TLS",
}
"""Options that are accepted without an effect, and why they have none."""

UUID_DIGITS = 32
LONGEST_VALUE = 1024
"""Characters of an option's value in exports(5)."""


Fields = Mapping[str, Any]
Reader = Callable[[str], Fields]
Tell = Callable[[Severity, BadExport], None]
"""Takes what is wrong with an option, with the place in the word."""


class OptionList:
    """Options in the order of the file, each of which changes what those before it have said.

    ``flavors`` has the fields of ``PER_FLAVOR`` for each flavor of ``sec=``. ``_active`` are the
    flavors of the last ``sec=`` of this word: options change them, and the common fields.
    """

    def __init__(self, base: OptionList | None = None) -> None:
        self.fields: dict[str, Any] = dict(base.fields) if base else {}
        self.flavors: dict[str, dict[str, bool]] = (
            {flavor: dict(fields) for flavor, fields in base.flavors.items()} if base else {}
        )
        self._active: tuple[str, ...] = ()

    def add(self, options: Sequence[OptionWord], tell: Tell) -> bool:
        """Apply the options of one word. Returns whether all were valid."""
        valid = True
        for option in options:
            try:
                for severity, found in self._apply(option.name, option.value):
                    tell(severity, BadExport(found.text, found.advice, at=option.at))
            except BadExport as error:
                valid = False
                tell(Severity.ERROR, BadExport(error.text, error.advice, at=option.at))
        return valid

    def options(self) -> ExportOptions:
        """The options so far."""
        common = ExportOptions(**self.fields)
        if not self.flavors:
            return common
        each = tuple(FlavorOptions(flavor, **fields) for flavor, fields in self.flavors.items())
        same = {name: getattr(common, name) for name in PER_FLAVOR}
        differ = any(fields != same for fields in self.flavors.values())
        return common._replace(sec=tuple(self.flavors), by_flavor=each if differ else ())

    def _apply(self, name: str, value: str | None) -> Iterator[tuple[Severity, BadExport]]:
        """Apply an option. Yields notes and warnings."""
        if name in FLAGS and value is None:
            yield from self._set(name, *FLAGS[name])
        elif name == "sec" and value is not None:
            yield from self._sec(value)
        elif name in VALUES and (value is not None or name in WITHOUT_VALUE):
            if value is not None and len(value) > LONGEST_VALUE:
                raise BadExport(
                    f"the value of {name} is too long", f"at most {LONGEST_VALUE} characters"
                )
            self.fields.update(VALUES[name](value or ""))
        else:
            raise _refused(name)
        if name in NOTES:
            yield Severity.NOTE, BadExport(f"{name} has no effect: {NOTES[name]}")

    def _set(self, name: str, field: str, value: bool) -> Iterator[tuple[Severity, BadExport]]:
        self.fields[field] = value
        if field not in PER_FLAVOR:
            return
        for flavor in self._active:
            self.flavors[flavor][field] = value
        missed = [flavor for flavor, fields in self.flavors.items() if fields[field] is not value]
        if missed and not self._active:
            names = ":".join(missed)
            yield (
                Severity.WARNING,
                BadExport(
                    f"{name} does not hold for sec={names} of the default options",
                    f"write sec={names},{name}",
                ),
            )

    def _sec(self, value: str) -> Iterator[tuple[Severity, BadExport]]:
        names = value.split(":")
        for name in names:
            if name not in FLAVORS:
                raise BadExport(f"unknown flavor {shown(name)}", f"it may be {', '.join(FLAVORS)}")
        common = ExportOptions(**self.fields)
        for name in names:
            now = {field: getattr(common, field) for field in PER_FLAVOR}
            self.flavors.setdefault(FLAVORS[name], now)
        self._active = tuple(FLAVORS[name] for name in names)
        if SERVED_FLAVORS.isdisjoint(self._active):
            yield (
                Severity.WARNING,
                BadExport(
                    f"sec={value} lets nobody in: this server does not have Kerberos",
                    "add sys to let clients in without it",
                ),
            )


def _identity(option: str) -> Reader:
    def read(value: str) -> Fields:
        """As in C, -2 is another way to write 4294967294."""
        if not re.fullmatch(r"[ \t]*[+-]?[0-9]{1,10}", value):
            raise BadExport(f"bad {option} {shown(value)}", "it is a number, not a name")
        number = int(value)
        if number < 0:
            number += NO_ID + 1
        if not 0 <= number < NO_ID:
            raise BadExport(f"bad {option} {shown(value)}", f"it is 0 to {NO_ID - 1}")
        return {option: number}

    return read


def _fsid(value: str) -> Fields:
    if value == "root":
        return {"fsid": 0}
    number = _c_number(value)
    if number is not None and number <= NO_ID:
        return {"fsid": number}
    if len(re.findall(r"[0-9A-Fa-f]", value)) == UUID_DIGITS:
        return {"uuid": value}
    raise BadExport(
        f"bad fsid {shown(value)}", "it is root, a number or a UUID of 32 hexadecimal digits"
    )


def _mountpoint(value: str) -> Fields:
    if value and not value.startswith("/"):
        raise BadExport(f"mountpoint {shown(value)} is not an absolute path", "begin it with /")
    return {"mountpoint": value}


def _reexport(value: str) -> Fields:
    if value not in REEXPORT:
        raise BadExport(f"unknown method {shown(value)}", f"it may be {', '.join(REEXPORT)}")
    return {"reexport": "" if value == "none" else value}


def _xprtsec(value: str) -> Fields:
    names = value.split(":")
    if not set(names) <= set(TLS):
        raise BadExport(f"unknown xprtsec {shown(value)}", f"it may be {', '.join(TLS)}")
    if "none" not in names:
        raise BadExport(
            f"xprtsec={value} asks for TLS, which this server does not have",
            "add none to let clients in without TLS",
        )
    return {"xprtsec": tuple(dict.fromkeys(names))}


VALUES: Mapping[str, Reader] = {
    "anonuid": _identity("anonuid"),
    "anongid": _identity("anongid"),
    "fsid": _fsid,
    "mountpoint": _mountpoint,
    "mp": _mountpoint,
    "refer": lambda value: {"locations": f"refer={value}"},
    "replicas": lambda value: {"locations": f"replicas={value}"},
    "reexport": _reexport,
    "xprtsec": _xprtsec,
}
"""Options with a value, other than ``sec``: from the value to the fields."""

WITHOUT_VALUE = ("mountpoint", "mp")
REFUSED: Mapping[str, str] = {
    "squash_uids": "squash all with all_squash, or root with root_squash",
    "squash_gids": "squash all with all_squash, or root with root_squash",
    "no_sign_fh": "leave it out: handles are always signed",
}


def _refused(name: str) -> BadExport:
    if name in REFUSED:
        return BadExport(f"the option {name} is not supported", REFUSED[name])
    if name in FLAGS:
        return BadExport(f"the option {name} has no value", f"write {name}")
    if name in VALUES or name == "sec":
        return BadExport(f"the option {name} needs a value", f"write {name}=VALUE")
    from difflib import get_close_matches  # exports without a mistake do not need it

    near = get_close_matches(name[:40], [*FLAGS, *VALUES, "sec"], n=1, cutoff=0.7)
    advice = f"did you mean {near[0]}?" if near else "see exports(5) for the options"
    return BadExport(f"unknown option {shown(name)}", advice)


def _c_number(text: str) -> int | None:
    """A number as strtoul(3) reads it: decimal, 0x or 0 for octal."""
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}", text):
        return int(text, 16)
    if re.fullmatch(r"0[0-7]{0,20}", text):
        return int(text, 8)
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,18}", text) else None
