"""The user's own Python files that an experiment names, for processes that may not see them.

A problem or backend of the form ``module:name`` may be a file beside the experiment, in the project
folder, in the current folder or on ``PYTHONPATH``. The experiment carries the text of such files
and of what they import from there to wherever its stages run. What is installed is not carried.
Of files elsewhere, such as a folder that a stage adds to ``sys.path``, only a fingerprint is.
"""

from __future__ import annotations

import ast
import atexit
import functools
import hashlib
import importlib
import importlib.util
import os
import shutil
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from importlib.machinery import ModuleSpec

MOST_BYTES = 2**20
"""Size of all files together: what a Secret of Kubernetes holds."""

_IMPORTING = {"import_module", "__import__"}
_APPS = "apps"
_NEVER = {"hybrid_parsl", "site_configs", "__main__", *sys.stdlib_module_names}
_INSTALLED = {"site-packages", "dist-packages"}
_STANDARD_LIBRARY = sysconfig.get_path("stdlib")
_provided: dict[str, bytes] = {}
"""The text of each file that this process may have imported, by name."""
_copied: dict[str, str] = {}
"""The folder of this process that holds copies, by the driver's folder."""


@dataclass(frozen=True)
class SourceFile:
    """One Python file.

    Attributes
    ----------
    folder
        The folder from which Python imports it, on the driver.
    name
        Its path below that, with slashes.
    text
        Its content.
    """

    folder: str
    name: str
    text: bytes


@dataclass(frozen=True, eq=False)
class OwnCode:
    """Python files of the user; two are equal, as the code is not part of the request.

    Attributes
    ----------
    files
        The files, sorted.
    elsewhere
        Modules that they import from places that are neither the user's nor of installed packages,
        sorted, each with the fingerprint of its files; these are not carried.
    """

    files: tuple[SourceFile, ...] = ()
    elsewhere: tuple[tuple[str, str], ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnCode)

    def __hash__(self) -> int:
        return hash(OwnCode)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits, or nothing without a file here or elsewhere."""
        if not (self.files or self.elsewhere):
            return ""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.name}\0".encode() + hashlib.sha256(file.text).digest())
        for name, fingerprint in self.elsewhere:
            digest.update(f"{name}\0{fingerprint}".encode())
        return digest.hexdigest()[:16]

    @property
    def folders(self) -> list[str]:
        """The driver's folders from which the files are imported, sorted."""
        return sorted({file.folder for file in self.files})

    def reached_from(self, module: str) -> OwnCode:
        """Return the files of a module and of what it imports; all if that is elsewhere."""
        elsewhere = dict(self.elsewhere)
        by_name: dict[str, list[SourceFile]] = {}
        for file in self.files:
            by_name.setdefault(top_module(file.name), []).append(file)
        reached: dict[str, list[SourceFile]] = {}
        left = [module.partition(".")[0]]
        while left:
            name = left.pop()
            if name in elsewhere:  # what that imports is not known any more
                return self
            if name not in reached and name in by_name:
                reached[name] = by_name[name]
                left += (top_module(each) for file in reached[name] for each in _imports(file))
        return OwnCode(tuple(file for file in self.files if top_module(file.name) in reached))

    def provide(self) -> None:
        """Let this process import the files: those of the driver where they are seen, or copies.

        If a file differs from that of an earlier call, all modules of such calls are forgotten.
        """
        if not self.files:
            return
        if any(_provided.get(file.name, file.text) != file.text for file in self.files):
            _forget(set(map(top_module, _provided)))
        _provided.update((file.name, file.text) for file in self.files)
        for folder in self.folders:
            files = [file for file in self.files if file.folder == folder]
            place = folder if all(map(_is_seen, files)) else _copies(folder, files)
            if place not in sys.path:
                sys.path.append(place)
        importlib.invalidate_caches()


def find_own_code(modules: Iterable[str], folders: Sequence[Path]) -> OwnCode:
    """Return the user's own files among modules, with those that they import.

    Of a project's package ``apps`` these are the files that are imported, of other packages all.
    Imports count wherever they stand in a file; those by a computed name are not seen.

    Parameters
    ----------
    modules
        Names of modules.
    folders
        Folders to import from besides Python's own; this process does so from now on.

    Raises
    ------
    ConfigurationError
        If the files are larger than 1 MiB together.
    """
    for folder in folders:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    found = _collect(modules, folders)
    _check_size(found.files)
    return found


@functools.cache
def class_fingerprint(found: type) -> str:
    """Return the fingerprint of the user's own code that a class and its bases need.

    16 hexadecimal digits; nothing for a class that is installed. It is that of the first time
    since the project's workflows were loaded: a study asks for each of its points.
    """
    apps = sys.modules.get(_APPS)
    places = () if apps is None else vars(apps).get("__path__", ())
    modules = {each.__module__ for each in found.__mro__}
    return _collect(modules, [Path(each).parent for each in places]).fingerprint


def _collect(modules: Iterable[str], folders: Sequence[Path]) -> OwnCode:
    """Return the files of modules that are not installed, with those that they import."""
    importlib.invalidate_caches()
    places = {*map(Path.resolve, folders), *_users_places()}
    found: dict[str, list[SourceFile]] = {}
    left = [unit for module in modules for unit in _units(module)]
    while left:
        name = left.pop()
        top = top_module(name)
        if name in found or top in _NEVER:
            continue
        files = _files_of_app(name, folders) if top == _APPS else _files_of(name, places)
        found[name] = sorted(files, key=_place)
        left += (each for file in found[name] for each in _imports(file))
    carried, elsewhere = [], []
    for name, several in found.items():
        carried += [file for file in several if Path(file.folder) in places]
        others = OwnCode(tuple(file for file in several if Path(file.folder) not in places))
        elsewhere += [(name, others.fingerprint)] if others.files else []
    return OwnCode(tuple(sorted(carried, key=_place)), tuple(sorted(elsewhere)))


def _place(file: SourceFile) -> tuple[str, str]:
    """Return by what files are sorted."""
    return file.folder, file.name


def _units(module: str) -> list[str]:
    """Return what is read whole for a module: the modules on the way to it in ``apps``."""
    parts = module.split(".")
    n_units = len(parts) if parts[0] == _APPS else 1
    return [".".join(parts[: n + 1]) for n in range(n_units)]


def python_files(package: Path) -> Iterator[Path]:
    """Yield the Python files of a package, those behind links to folders too."""
    for name, inner, files in os.walk(package, followlinks=True):
        folder = Path(name)
        inner[:] = [each for each in inner if not _leads_back(folder / each)]
        paths = (folder / each for each in files if each.endswith(".py"))
        yield from filter(Path.is_file, paths)


def _leads_back(path: Path) -> bool:
    """Return whether a path is a link to a folder that holds it, so that it has no end."""
    return path.is_symlink() and path.resolve() in map(Path.resolve, path.parents)


def python_path() -> set[Path]:
    """Return the folders that the environment variable PYTHONPATH names."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {Path(each).resolve() for each in named if each}


def _users_places() -> set[Path]:
    """Return the current folder, if Python imports from it, and those of PYTHONPATH."""
    is_searched = {"", str(Path.cwd())} & set(sys.path)
    return python_path() | ({Path.cwd()} if is_searched else set())


def _files_of_app(module: str, folders: Iterable[Path]) -> Iterator[SourceFile]:
    """Yield the file of a module of ``apps``, as Python would look for it."""
    stem = module.replace(".", "/")
    names = (f"{stem}/__init__.py", f"{stem}.py")
    for folder, name in ((folder, name) for folder in folders for name in names):
        if (folder / name).is_file():
            yield SourceFile(str(folder.resolve()), name, (folder / name).read_bytes())
            return


def _files_of(name: str, places: set[Path]) -> Iterator[SourceFile]:
    """Yield the files of a module or package, unless it is installed in none of the places."""
    spec = _spec(name)
    if spec is None:
        return
    paths = list(map(Path, spec.submodule_search_locations or ()))
    if not paths and spec.origin is not None:
        paths = [Path(spec.origin)]
    for path in paths:
        folder = path.parent.resolve()
        if folder not in places and _is_installed(path):
            continue
        for file in python_files(path) if path.is_dir() else [path]:
            if file.suffix == ".py":
                relative = file.relative_to(path.parent).as_posix()
                yield SourceFile(str(folder), relative, file.read_bytes())


def _is_installed(path: Path) -> bool:
    """Return whether a module is of the standard library or of an installed package."""
    return not _INSTALLED.isdisjoint(path.parts) or path.is_relative_to(_STANDARD_LIBRARY)


def _spec(name: str) -> ModuleSpec | None:
    """Return where Python would import a module from, None if from nowhere."""
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None


def top_module(name: str) -> str:
    """Return the top-level module that a module or a file belongs to."""
    return name.partition("/")[0].removesuffix(".py").partition(".")[0]


def _imports(file: SourceFile) -> Iterator[str]:
    """Yield what a file imports, or may import from a package, as `_units` does."""
    package = PurePosixPath(file.name).parent.parts
    for module in _imported(file.text, package):
        yield from _units(module)


@functools.lru_cache(maxsize=1024)
def _imported(text: bytes, package: tuple[str, ...]) -> frozenset[str]:
    """Return the dotted names that a file of a package imports; none if it is not Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node.module, node.level, package)
            found.update((base, *(f"{base}.{alias.name}" for alias in node.names)))
        elif (name := _name_in_call(node)) is not None:
            module = name.lstrip(".")
            found.add(_absolute(module, len(name) - len(module), package))
    return frozenset(found)


def _absolute(module: str | None, level: int, package: tuple[str, ...]) -> str:
    """Return the dotted name of what a file of a package imports, from `level` packages up."""
    parent = package[: len(package) + 1 - level] if level else ()
    return ".".join(filter(None, (*parent, module)))


def _name_in_call(node: ast.AST) -> str | None:
    """Return the text with which a call imports a module, as ``import_module("apps.a")`` does."""
    match node:
        case ast.Call(
            func=ast.Name(id=name) | ast.Attribute(attr=name),
            args=[ast.Constant(value=str(text)), *_],
        ) if name in _IMPORTING:
            return text
    return None


def _check_size(files: Sequence[SourceFile]) -> None:
    """Refuse more than an experiment can carry.

    Raises
    ------
    ConfigurationError
        If the files are too large.
    """
    size = sum(len(file.text) for file in files)
    if size > MOST_BYTES:
        largest = max(files, key=lambda file: len(file.text)).name
        raise ConfigurationError(
            "the project's own Python files are too large to travel with the experiment",
            None,
            "problem.kind",
            f"{size} bytes in {len(files)} files, the largest {largest}",
            f"at most {MOST_BYTES} bytes, or a package that is installed where stages run",
        )


def _is_seen(file: SourceFile) -> bool:
    """Return whether a file is here as it is on the driver."""
    try:
        return (Path(file.folder) / file.name).read_bytes() == file.text
    except OSError:
        return False


def _copies(source: str, files: Iterable[SourceFile]) -> str:
    """Return the folder of this process that holds copies of files of the driver's `source`."""
    if source not in _copied:
        _copied[source] = tempfile.mkdtemp(prefix="hybrid-parsl-code-")
        atexit.register(shutil.rmtree, _copied[source], ignore_errors=True)
    folder = Path(_copied[source])
    for file in files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.text)
    return str(folder)


def _forget(names: set[str]) -> None:
    """Remove modules that were imported, and their submodules."""
    for name in [each for each in sys.modules if each.partition(".")[0] in names]:
        del sys.modules[name]
