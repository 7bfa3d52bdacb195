"""All steps of the compiler in a row: text, tree, resolved tree, Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from oncrpc.errors import IdlError
from oncrpc.idl import model, tree
from oncrpc.idl.emit import emit
from oncrpc.idl.imports import OtherModule, importable
from oncrpc.idl.library import Library
from oncrpc.idl.parse import parse_interface
from oncrpc.idl.preprocess import preprocess
from oncrpc.idl.resolve import resolve_interface
from oncrpc.idl.source import CompileOptions, SourceText


def compile_file(path: str | Path, *, settings: CompileOptions | None = None) -> str:
    """The Python module that a ``.x`` file is.

    Raises:
        IdlError: the text cannot be compiled.
        OSError: the file cannot be read.
    """
    return compile_text(read_interface(Path(path)), str(path), settings=settings)


def compile_text(text: str, file: str, *, settings: CompileOptions | None = None) -> str:
    """The Python module of a text; ``file`` is its name in errors and the docstring."""
    settings = settings or CompileOptions()
    source = preprocess(text, file, settings=settings)
    interface = _resolved(source, settings)
    imports = importable(interface, _other_modules(source, settings))
    return emit(interface, name=Path(file).name, imports=imports)


def interface_of(
    text: str, file: str, *, settings: CompileOptions | None = None
) -> model.Interface:
    """The resolved tree of a text."""
    settings = settings or CompileOptions()
    return _resolved(preprocess(text, file, settings=settings), settings)


def _resolved(source: SourceText, settings: CompileOptions) -> model.Interface:
    opened = {Path(source.file).resolve()}

    def load(header: str) -> tree.Specification | None:
        found = _found(header, source, settings)
        if found is None or found.resolve() in opened:
            return None
        opened.add(found.resolve())
        try:
            return parse_interface(preprocess(read_interface(found), str(found), settings=settings))
        except (IdlError, OSError):
            return None  # an error in a file that was not asked for does not count

    return resolve_interface(parse_interface(source), Library(source, load))


def _other_modules(source: SourceText, settings: CompileOptions) -> Iterator[OtherModule]:
    """The modules to import from, in the order in which the text includes their headers."""
    for header in source.headers:
        module = settings.imports.get(Path(header).name)
        found = _found(header, source, settings) if module else None
        if module is None or found is None or found.resolve() == Path(source.file).resolve():
            continue
        text = read_interface(found)
        yield OtherModule(module, interface_of(text, str(found), settings=settings))


def _found(header: str, source: SourceText, settings: CompileOptions) -> Path | None:
    """The ``.x`` of a header; None if there is none."""
    folders = [Path(source.file).parent, *map(Path, settings.include)]
    return next(filter(_is_file, _candidates(header, folders)), None)


def _candidates(header: str, folders: Sequence[Path]) -> Iterator[Path]:
    """Where the ``.x`` of a header may be."""
    for folder in folders:
        yield folder / f"{header}.x"
        yield folder / f"{Path(header).name}.x"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # a name that is too long, or a folder that may not be searched


def read_interface(path: Path) -> str:
    """The text of a file: UTF-8, or else the Latin 1 of old ones."""
    data = path.read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
