from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Experiment, ProblemTable
from hybrid_parsl.problems.registry import build_problem, embed_files

CASES = Path(__file__).parents[3] / "data" / "instances"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "expected.json").read_text())
KEYS = {"maxcut": "edges", "ising": "qubo"}


def read(folder: Path, name: str, kind: str = "maxcut", **keys: Any) -> ProblemTable:
    table = ProblemTable(kind=kind, **{KEYS[kind]: name}, **keys)
    return embed_files(Experiment(name="x", problem=table), folder).problem


def refused(folder: Path, name: str, kind: str = "maxcut", **keys: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read(folder, name, kind, **keys)
    return caught.value


@pytest.mark.parametrize("name", EXPECTED)
def test_every_case_has_its_optimum(name: str) -> None:
    case = EXPECTED[name]
    table = read(CASES, name, case["kind"], **case.get("needs", {}))
    lowest, _ = build_problem(table).spectrum() or (None, None)
    assert lowest == pytest.approx(case["lowest"], abs=1e-12)
    assert table.read_from is not None
    reported = table.read_from.model_dump()
    assert reported["file"] == name
    assert {key: reported[key] for key in ("format", "first_node", "nodes", "edges")} == {
        key: case[key] for key in ("format", "first_node", "nodes", "edges")
    }


@pytest.mark.parametrize("name", [name for name, case in EXPECTED.items() if "needs" in case])
def test_an_ambiguous_case_is_refused_with_its_readings(name: str) -> None:
    error = refused(CASES, name, EXPECTED[name]["kind"])
    assert error.message == "can be read in more than one way"
    readings = {
        "edges-from-1.txt": [
            "problem.format = 'edge-list' and problem.first_node = 0 (7 nodes, 8 edges)",
            "problem.format = 'edge-list' and problem.first_node = 1 (6 nodes, 8 edges)",
        ],
        "qubo-triples-3.txt": [
            "problem.format = 'triples' and problem.first_node = 0 (2 variables, 3 entries)",
            "problem.format = 'dense' (3 variables)",
        ],
    }
    assert error.valid == "; or ".join(readings[name])


@pytest.mark.parametrize("name", EXPECTED)
def test_a_named_format_reads_what_auto_reads(name: str) -> None:
    case = EXPECTED[name]
    auto = read(CASES, name, case["kind"], **case.get("needs", {}))
    keys = case.get("needs", {}) | {"format": case["format"]}
    assert read(CASES, name, case["kind"], **keys) == auto


def test_names_of_variables_are_reported_with_their_qubits() -> None:
    read_from = read(CASES, "spins-bqm.json", "ising").read_from
    assert read_from is not None
    assert read_from.holds == "spins"
    assert read_from.labels == list("abcdef")
    assert str(read_from).endswith("a is qubit 0, b is qubit 1, c is qubit 2, ...")


def test_a_name_is_reported_in_one_short_line(tmp_path: Path) -> None:
    nodes = [{"id": name} for name in ("a\n\x1b[31m", "b" * 1000)]
    edges = [{"source": nodes[0]["id"], "target": nodes[1]["id"]}]
    (tmp_path / "graph.json").write_text(json.dumps({"nodes": nodes, "edges": edges}))
    text = str(read(tmp_path, "graph.json").read_from)
    assert text.isprintable()
    assert len(text) < 300


@pytest.mark.parametrize("nodes", ["x", 5.0, True, 2])
def test_a_faulty_number_of_nodes_is_refused_whatever_the_file_says(
    tmp_path: Path, nodes: Any
) -> None:
    (tmp_path / "graph").write_text("5 2\n1 2 1\n2 3 1\n")
    with pytest.raises(ConfigurationError) as caught:
        build_problem(read(tmp_path, "graph", nodes=nodes))
    assert caught.value.key == "problem.nodes"


@pytest.mark.parametrize("symmetry", ["general", "symmetric"])
def test_a_graph_is_read_from_a_whole_matrix(tmp_path: Path, symmetry: str) -> None:
    values = [0, 2, 0, 2, 0, -1, 0, -1, 0] if symmetry == "general" else [0, 2, 0, 0, -1, 0]
    header = f"%%MatrixMarket matrix array real {symmetry}\n3 3\n"
    (tmp_path / "graph.mtx").write_text(header + "\n".join(map(str, values)))
    assert read(tmp_path, "graph.mtx").settings["edges"] == [[0, 1, 2.0], [1, 2, -1.0]]


def test_the_file_does_not_enter_the_key_of_a_search() -> None:
    found = Experiment(name="x", problem=read(CASES, "cut.rudy"))
    inline = ProblemTable(kind="maxcut", **found.problem.settings)
    assert found.search_key == Experiment(name="x", problem=inline).search_key
    assert embed_files(found, CASES) == found


@pytest.mark.parametrize(
    ("text", "keys", "words"),
    [
        (
            "3 5\n1 2 2\n2 3 -1\n",
            {},
            ["line 1", "announces 5 entries, but the file holds 2", "'edge-list'"],
        ),
        ("4 2\n1 2 2\n2 3 -1\n", {"format": "edge-list"}, ["(4 nodes, 3 edges)", "first_node = 1"]),
        ("3 2\n1 2\n1 3\n", {}, ["'rudy' and problem.first_node = 1 (3 nodes, 2 edges)"]),
        ("3 2\n0 1 2\n1 2 -1\n", {}, ["0 is not a node from 1 to 3", "problem.first_node = 0 (3"]),
        ("3 2\n1 2 2\n2 3\n", {"format": "rudy"}, ["line 3", "has 2 numbers, line 2 has 3"]),
        ("0 1\n1 2\n", {"nodes": 2}, ["2 is not a node from 0 to 1"]),
        ("3 1\n1 2 1\n", {"nodes": 4}, ["problem.nodes", "found: 4", "valid: 3"]),
        ("p edge 2 1\ne 1 2\n", {"first_node": 0}, ["problem.first_node", "counts from 1"]),
        ("p cnf 2 1\n1 2 0\n", {}, ["line 1", "p edge NODES EDGES"]),
        ("p edge 2 1\nn 1 2\n", {}, ["line 2", "is not an edge"]),
        ("p qubo 0 2 0 1\n0 1 2\n", {}, ["qbsolv", "kind = 'ising' and problem.qubo"]),
        ("source,cost\n0,1\n", {}, ["line 1", "source or from"]),
        ("source,target,weight\n0,1\n", {}, ["line 2", "2 numbers for 3 columns"]),
        ("0 1_0\n", {}, ["'1_0' is not a number"]),
        ("0 1 1e-400\n", {}, ["line 1", "'1e-400' is too small"]),
        ("i,j,w\n0,1,1e-400\n", {}, ["line 2", "'1e-400' is too small"]),
        ("0 1 2,5\n", {}, ["line 1", "is not an edge"]),
        ("%%MatrixMarket matrix coordinate real skew-symmetric\n2 2 1\n2 1 1\n", {}, ["symmetric"]),
        ("%%MatrixMarket matrix coordinate real general\n2 3 1\n2 1 1\n", {}, ["square"]),
        (
            "%%MatrixMarket matrix coordinate real general\n2 2 2\n2 1 1\n1 2 3\n",
            {},
            ["line 4", "contradicts line 3"],
        ),
        (
            "%%MatrixMarket matrix array real general\n2 2\n0\n0\n3\n0\n",
            {},
            ["line 5", "contradicts line 4"],
        ),
        (
            "%%MatrixMarket matrix coordinate integer general\n2 2 1\n2 1 1.5\n",
            {},
            ["whole number"],
        ),
        (
            "%%MatrixMarket matrix coordinate real general\n2 2 1\n2 1 0x3\n",
            {},
            ["'0x3'", "line 3"],
        ),
        ("%%MatrixMarket matrix coordinate real general\n2 2 1\n2 1 1 9\n", {}, ["4 numbers"]),
        ("{}", {}, ["neither a graph nor a model"]),
        ('{"nodes": 1, "nodes": 2}', {}, ["names a key twice"]),
        ("[" * 100_000, {}, ["nested too deeply"]),
        ("800 1\n1 800 1\n", {}, ["800 nodes", "at most 40"]),
        ("999999999999 1\n1 2 1\n", {}, ["999999999999 nodes"]),
        (f"0 {10**30}\n", {}, ["nodes", "at most 40"]),
        ("0 1\n" * 300_000, {}, ["is too large", "1200000 bytes"]),
        (
            "800 9999\n" + "1 2 1\n" * 9999,
            {},
            ["more than 3200 lines or columns", "at most 40 nodes"],
        ),
        ("0 1\n", {"format": "gset"}, ["problem.format", "unknown format", "rudy"]),
        ("0 1\n", {"format": 3}, ["problem.format"]),
        ("0 1\n", {"first_node": 2}, ["problem.first_node", "0 or 1"]),
        ("0 1\n", {"first_node": True}, ["problem.first_node"]),
    ],
)
def test_what_cannot_be_read_is_explained(
    tmp_path: Path, text: str, keys: dict[str, Any], words: list[str]
) -> None:
    (tmp_path / "graph").write_text(text)
    error = refused(tmp_path, "graph", **keys)
    for word in words:
        assert word in str(error)


@pytest.mark.parametrize("kind", ["maxcut", "ising"])
def test_keys_for_a_file_are_refused_without_one(kind: str) -> None:
    inline = [[0, 1, 1.0]] if kind == "maxcut" else [[1.0]]
    for keys in ({"format": "csv"}, {"first_node": 1}):
        with pytest.raises(ConfigurationError, match="says how to read a file"):
            build_problem(ProblemTable(kind=kind, **{KEYS[kind]: inline}, **keys))


def node_link(**keys: Any) -> dict[str, Any]:
    nodes = [{"id": "a"}, {"id": "b"}, {"id": "c"}]
    edges = [{"source": "a", "target": "c", "weight": 2}]
    return {"nodes": nodes, "edges": edges, **keys}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (node_link(directed=True), ["directed"]),
        (node_link(links=[]), ["edges, links"]),
        (node_link(nodes=[{"id": 1}, {"id": 1}]), ["names a node twice"]),
        (node_link(nodes=[{}]), ["nodes[0]", "has no id"]),
        (node_link(nodes=[3]), ["nodes[0]", "an object"]),
        (node_link(nodes=[{"id": "\ud800"}]), ["surrogate", r"'\ud800'"]),
        (node_link(nodes=[]), ["names no node"]),
        (node_link(edges=[{"source": "a", "target": "d"}]), ["edges[0]", "'d' is not one"]),
        (node_link(edges=[{"source": "a", "target": "a"}]), ["edges[0]", "to itself"]),
        (node_link(edges=[{"source": "a", "target": "b", "cost": 3}]), ["cost", "no weight"]),
        (node_link(edges=node_link()["edges"] * 2), ["edges[1]", "repeats the edge of edges[0]"]),
        (node_link(edges=[{"source": "a", "target": "b", "weight": "2"}]), ["'2' is not a number"]),
    ],
)
def test_a_faulty_graph_of_networkx_is_explained(
    tmp_path: Path, found: dict[str, Any], words: list[str]
) -> None:
    (tmp_path / "graph.json").write_text(json.dumps(found))
    error = refused(tmp_path, "graph.json")
    for word in words:
        assert word in str(error)


def test_a_weight_that_vanishes_in_json(tmp_path: Path) -> None:
    text = json.dumps(node_link(edges=[{"source": "a", "target": "b", "weight": 2.5}]))
    (tmp_path / "graph.json").write_text(text.replace("2.5", "1e-400"))
    assert "'1e-400' is too small" in str(refused(tmp_path, "graph.json"))


def bqm(**keys: Any) -> dict[str, Any]:
    return {
        "vartype": "BINARY",
        "linear": {"0": -1, "1": 2},
        "quadratic": [[0, 1, -3]],
        "offset": 5,
        **keys,
    }


@pytest.mark.parametrize(
    "found",
    [
        bqm(),
        bqm(linear=[-1, 2]),
        bqm(quadratic={"0,1": -3}),
        bqm(quadratic={"(0, 1)": -3}),
        bqm(quadratic={"('0', '1')": -3}),
        bqm(linear={"1": 2, "0": -1}),
        bqm(linear={"x": -1, "y": 2}, quadratic=[["y", "x", -3]]),
        bqm(linear={"1e3": -1, "0x2": 2}, quadratic={"1e3, 0x2": -3}),
        bqm(linear={"(0, 1)": -1, "(0, 2)": 2}, quadratic={"((0, 1), (0, 2))": -3}),
        bqm(linear={"x[0]": -1, "x[1]": 2}, quadratic={"x[0],x[1]": -3}),
        bqm(vartype="SPIN", linear=[1.25, -0.25], quadratic=[[0, 1, -0.75]], offset=4.75),
    ],
)
def test_a_plain_model_is_read(tmp_path: Path, found: dict[str, Any]) -> None:
    (tmp_path / "model.json").write_text(json.dumps(found))
    problem = build_problem(read(tmp_path, "model.json", "ising", offset=1.0))
    energies = problem.energies(["00", "01", "10", "11"])
    assert energies.tolist() == pytest.approx([6.0, 5.0, 8.0, 4.0])


SERIALIZED = json.loads((CASES / "qubo-bqm.json").read_text())


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (bqm(vartype="DISCRETE"), ["vartype", "BINARY or SPIN"]),
        (bqm(vartype=[]), ["vartype", "BINARY or SPIN"]),
        (bqm(linear=3), ["linear"]),
        (bqm(quadratic={"0": {"1": 3}}), ["does not name two variables"]),
        (bqm(quadratic={"(x, y)": 3}), ["does not name two variables", "(x, y)"]),
        (bqm(quadratic=[[0, 1]]), ["quadratic[0]", "[u, v, bias]"]),
        (bqm(quadratic=[[0, 0, 1]]), ["joins a variable to itself"]),
        (bqm(quadratic=[[0, 1, 1], [1, 0, 1]]), ["quadratic[1]", "repeats"]),
        (bqm(quadratic=[[0, 1, None]]), ["quadratic[0]", "has no value"]),
        (bqm(offset="1"), ["offset"]),
        ({**SERIALIZED, "use_bytes": True}, ["use_bytes=False"]),
        ({**SERIALIZED, "num_variables": 7}, ["num_variables", "holds 6"]),
        ({**SERIALIZED, "linear_biases": [1.0]}, ["different lengths"]),
        ({**SERIALIZED, "quadratic_head": [9] * 5}, ["9 is not a variable", "quadratic_head"]),
        ({**SERIALIZED, "variable_type": None}, ["variable_type"]),
    ],
)
def test_a_faulty_model_is_explained(
    tmp_path: Path, found: dict[str, Any], words: list[str]
) -> None:
    (tmp_path / "model.json").write_text(json.dumps(found))
    error = refused(tmp_path, "model.json", "ising")
    for word in words:
        assert word in str(error)
