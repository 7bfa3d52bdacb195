"""Which HTTP requests are answered: by method, host name, and the site that asks.

A page of another site can make its own name resolve to our address (DNS rebinding). The browser
then lets that page read what we answer. Such a page cannot change the name in the Host header, so
only known names are answered. An address in the Host header is accepted: a person has typed it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from ipaddress import ip_address

METHODS = ("GET", "HEAD")
LOCAL_NAME = "localhost"
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")
SAME_SITE = ("same-origin", "none")
"""The Fetch Metadata of requests by our own page, and of those that a person has typed."""


def is_known_host(host: str, *, here: str, names: Collection[str]) -> bool:
    """Whether a Host header is the address of this connection, localhost, or one of the names.

    The port is not compared: it may be that of a tunnel.
    """
    found = HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].lower().rstrip(".")
    try:
        return ip_address(name.strip("[]")) == ip_address(here.partition("%")[0])
    except ValueError:
        return name == LOCAL_NAME or name in names


def is_cross_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser reports a request by a page of another site; a link there is fine."""
    if headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document":
        return False
    return headers.get("Sec-Fetch-Site", "none") not in SAME_SITE
