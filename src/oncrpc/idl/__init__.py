"""The interface language: a ``.x`` file to a Python module (RFC 4506 §6, RFC 5531 §12)."""

from oncrpc.idl.compile import compile_file, compile_text, interface_of, read_interface
from oncrpc.idl.source import CompileOptions

__all__ = ["CompileOptions", "compile_file", "compile_text", "interface_of", "read_interface"]
