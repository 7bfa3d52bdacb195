"""Which requests are answered: those that only read, for names that lead here, from our own page.

A page of another site may have its own name lead to this address (DNS rebinding); then a browser
takes what is here for that site's. What such a page cannot change is the name in the request, so
that names are what counts. An address is no name: whoever asks for it means it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from ipaddress import ip_address

METHODS = ("GET", "HEAD")
LOCALHOST = "localhost"
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")
OURS = ("same-origin", "none")
"""What browsers say of requests of our page, and of those that a person made (Fetch Metadata)."""


def is_known(host: str, *, here: str, names: Collection[str]) -> bool:
    """Whether a Host header names us: the address that was asked, localhost, or one of the names.

    The port is not compared: a tunnel may have another one.
    """
    found = HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].lower().rstrip(".")
    try:
        return ip_address(name.strip("[]")) == ip_address(here.partition("%")[0])
    except ValueError:
        return name == LOCALHOST or name in names


def asked_by_others(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another site asks, and not a person by a link."""
    if headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document":
        return False
    return headers.get("Sec-Fetch-Site", "none") not in OURS
