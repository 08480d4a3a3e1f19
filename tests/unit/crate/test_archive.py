"""Crates as zips, those that somebody has tampered with included."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ended_runs import make_run
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.crate import archive
from hybrid_parsl.crate.archive import read_crate, write_zip
from hybrid_parsl.errors import ConfigurationError

METADATA = "ro-crate-metadata.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "r").path


@pytest.fixture(scope="module")
def packed(folder: Path) -> bytes:
    path = folder.parent / "r.zip"
    write_zip(folder, path)
    return path.read_bytes()


def changed(packed: bytes, path: Path, **files: bytes | None) -> Path:
    """Write a zip in which some files are others, or are missing."""
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(path, "w") as new:
        for name in [each for each in old.namelist() if each not in files]:
            new.writestr(name, old.read(name))
        for name, content in files.items():
            if content is not None:
                new.writestr(name, content)
    return path


def with_metadata(packed: bytes, path: Path, change) -> Path:
    """Write a zip whose metadata is changed by a function of its entities."""
    with zipfile.ZipFile(io.BytesIO(packed)) as old:
        document = json.loads(old.read(METADATA))
    change({each["@id"]: each for each in document["@graph"]}, document["@graph"])
    return changed(packed, path, **{METADATA: json.dumps(document).encode()})


def test_a_crate_has_the_same_files_as_zip_and_as_folder(folder: Path, packed: bytes) -> None:
    path = folder.parent / "again.zip"
    write_zip(folder, path)
    assert path.read_bytes() == packed
    crate = read_crate(path)
    assert crate.files == read_crate(folder).files
    assert crate.results["run"]["id"] == "r"
    assert set(crate.code) == {"apps/workflows.py", "apps/search.py"}
    assert crate.unpack(folder.parent / "unpacked") == folder.parent / "unpacked/code"
    assert (folder.parent / "unpacked/code/apps/search.py").is_file()


@pytest.mark.parametrize("name", ["results.json", "code/apps/workflows.py", "report.html"])
def test_an_altered_or_missing_file_is_named(packed: bytes, tmp_path: Path, name: str) -> None:
    path = tmp_path / "r.zip"
    for content, words in ((b"altered", "has been altered"), (None, "is missing")):
        changed(packed, path, **{name: content})
        with pytest.raises(ConfigurationError, match=words) as caught:
            read_crate(path)
        assert caught.value.key == name


def test_files_that_are_not_listed_are_not_read(packed: bytes, tmp_path: Path) -> None:
    path = changed(packed, tmp_path / "r.zip", **{"code/apps/other.py": b"evil"})
    assert "apps/other.py" not in read_crate(path).code


@pytest.mark.parametrize(
    "name",
    [
        *("../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "C:/evil", "a//b", "./a", "a\nb"),
        *("code/" + 300 * "a", "code/" + 200 * "ä", "code" + 400 * "/ab"),
    ],
)
def test_names_outside_of_the_crate_are_refused(packed: bytes, tmp_path: Path, name: str) -> None:
    path = changed(packed, tmp_path / "r.zip", **{name: b"evil"})
    with pytest.raises(ConfigurationError, match="no valid name"):
        read_crate(path)

    def list_it(found, graph) -> None:
        found["./"]["hasPart"].append({"@id": name})
        graph.append({"@id": name, "sha256": "0"})

    if not name.startswith("C:"):
        with_metadata(packed, path, list_it)
        with pytest.raises(ConfigurationError, match="no valid name"):
            read_crate(path)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["code/q", "code/q/b.py"], "is a file and a folder"),
        (["code/q/a/b.py", "code/q"], "is a file and a folder"),
        (["results.json/a"], "is a file and a folder"),
        (["code/site_configs"], "sites are those of the project"),
        (["code/site_configs/local.py"], "sites are those of the project"),
    ],
)
def test_files_that_cannot_be_unpacked_are_refused(
    packed: bytes, tmp_path: Path, names: list[str], words: str
) -> None:
    def list_them(found, graph) -> None:
        found["./"]["hasPart"] += [{"@id": name} for name in names]
        graph += [{"@id": name, "sha256": hashlib.sha256(b"").hexdigest()} for name in names]

    path = with_metadata(packed, tmp_path / "r.zip", list_them)
    with zipfile.ZipFile(path, "a") as new:
        for name in names:
            new.writestr(name, b"")
    with pytest.raises(ConfigurationError, match=words):
        read_crate(path)


def test_large_metadata_is_refused_before_it_is_parsed(
    packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = b"[" + b"{}," * (6 * 2**20) + b"{}]"
    path = changed(packed, tmp_path / "r.zip", **{METADATA: metadata})
    monkeypatch.setattr(archive, "parse_json", None)
    with pytest.raises(ConfigurationError, match="is too large") as caught:
        read_crate(path)
    assert caught.value.key == METADATA


def test_a_crate_that_needs_more_memory_than_there_is(
    packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(_data: bytes) -> None:
        raise MemoryError

    path = changed(packed, tmp_path / "r.zip")
    monkeypatch.setattr(archive, "parse_json", parse)
    with pytest.raises(ConfigurationError, match="more memory than is free"):
        read_crate(path)


def test_links_in_a_zip_are_refused(packed: bytes, tmp_path: Path) -> None:
    path = changed(packed, tmp_path / "r.zip")
    with zipfile.ZipFile(path, "a") as new:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        new.writestr(link, "/etc/passwd")
    with pytest.raises(ConfigurationError, match="link or a special file"):
        read_crate(path)


def test_links_in_a_folder_are_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "r").path
    (folder / "figures").rename(tmp_path / "figures")
    (folder / "figures").symlink_to(tmp_path / "figures")
    with pytest.raises(ConfigurationError, match="through a link"):
        read_crate(folder)


def test_a_zip_that_grows_is_refused(
    packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.zip"
    path.write_bytes(packed)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as new:
        new.writestr("bomb", bytes(2**20))
    monkeypatch.setattr(archive, "_MOST_BYTES", 2**20)
    with pytest.raises(ConfigurationError, match="bytes when unpacked"):
        read_crate(path)
    monkeypatch.setattr(archive, "_MOST_FILES", 3)
    with pytest.raises(ConfigurationError, match="files, more than 3"):
        read_crate(path)


def test_a_file_twice_is_refused(packed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.zip"
    path.write_bytes(packed)
    with zipfile.ZipFile(path, "a") as new, pytest.warns(UserWarning, match="Duplicate"):
        new.writestr("results.json", b"{}")
    with pytest.raises(ConfigurationError, match="twice"):
        read_crate(path)


def test_a_crate_of_another_kind_is_refused(packed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.zip"
    changed(packed, path, **{METADATA: None})
    with pytest.raises(ConfigurationError, match="is not a crate"):
        read_crate(path)
    changed(packed, path, **{METADATA: b"[]"})
    with pytest.raises(ConfigurationError, match="not the metadata of a crate"):
        read_crate(path)

    def forget(found, _graph) -> None:
        found["./"]["hasPart"] = [{"@id": "report.html"}]

    with_metadata(packed, path, forget)
    with pytest.raises(ConfigurationError, match="not a crate of hybrid-parsl"):
        read_crate(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_crate(tmp_path / "nothing.zip")


@given(st.data())
def test_a_damaged_zip_is_an_error_or_the_same_crate(packed: bytes, data: st.DataObject) -> None:
    damaged = bytearray(packed)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)) | st.just(len(damaged)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r.zip"
        path.write_bytes(damaged[:cut])
        try:
            crate = read_crate(path)
        except ConfigurationError:
            return
    with zipfile.ZipFile(io.BytesIO(packed)) as intact:
        for name, content in crate.files.items():
            if name != METADATA:
                assert intact.read(name) == content


@pytest.mark.usefixtures("thorough")
@given(st.text(max_size=30))
def test_no_name_leads_out_of_a_folder(name: str) -> None:
    folder = Path("/crate")
    try:
        archive._check_name(folder, name)
    except ConfigurationError:
        return
    path = Path(f"/crate/{name}")
    assert ".." not in path.parts
    assert path.is_relative_to(folder)
    assert path != folder
