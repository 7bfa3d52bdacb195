"""The interface language: a ``.x`` file to a Python module (RFC 4506 §6, RFC 5531 §12)."""

from oncrpc.idl.compile import compile_file, compile_text, interface_of, read
from oncrpc.idl.source import Settings

__all__ = ["Settings", "compile_file", "compile_text", "interface_of", "read"]
