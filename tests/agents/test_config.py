from dataclasses import replace
from importlib.resources import files

import pytest

from ganttlet.core.errors import InputError
from ganttlet_agents import config
from ganttlet_agents.config import checkout, config_names, config_root, load_config, read_yaml
from ganttlet_agents.evaluation.suite import adhoc_suite, load_instances, load_suite


def test_checkout_is_preferred():
    root = checkout()
    if root is None:
        pytest.skip("not run from a source checkout")
    assert config_root() == root / "configs"
    assert "small" in config_names("suites")


def test_package_copy_is_used_without_a_checkout(monkeypatch):
    monkeypatch.setattr(config, "checkout", lambda: None)
    assert config_root() == files("ganttlet_agents") / "configs"


def test_names_come_from_the_package_copy(monkeypatch, tmp_path):
    (tmp_path / "configs" / "suites").mkdir(parents=True)
    (tmp_path / "configs" / "suites" / "packed.yaml").write_text("a: 1\n", encoding="utf-8")
    monkeypatch.setattr(config, "checkout", lambda: None)
    monkeypatch.setattr(config, "files", lambda package: tmp_path)
    assert config_names("suites") == ["packed"]
    assert config_names("curves") == []
    found = load_config("suites", "packed")
    assert (found.name, found.data, found.folder) == ("packed", {"a": 1}, tmp_path / "configs" / "suites")


def test_path_is_read_from_anywhere(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: [1, 2]\n", encoding="utf-8")
    found = load_config("suites", str(path))
    assert (found.name, found.folder, found.data) == ("mine", tmp_path, {"a": [1, 2]})


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=r"suite: unknown name 'smal'; expected one of dmu, .*small, "):
        load_config("suites", "smal")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read"):
        load_config("suites", str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", r"f\.yaml: not valid YAML"),
        ("- a\n- b\n", r"f\.yaml: expected a mapping"),
        ("1: a\n", r"f\.yaml: expected a mapping"),
        ("", r"f\.yaml: expected a mapping"),
        ("a: 1\nb: 2\na: 3\n", r"f\.yaml, line 3: key 'a' is given twice"),
        ("a: {b: 1, b: 2}\n", r"f\.yaml, line 1: key 'b' is given twice"),
        ("a: !!python/object/apply:os.getcwd []\n", r"f\.yaml: not valid YAML"),
    ],
)
def test_malformed_yaml_names_the_file(text, message):
    with pytest.raises(InputError, match=message):
        read_yaml(text, "f.yaml")


SUITE = """
about: packing
family: sack
objectives: [count, slack]
instances: [s01..s03, {generator: uniform, items: 5, seeds: 0..1}]
methods: [rule:smallest]
seeds: [4, 5]
reference: {method: "solver:exact"}
"""


@pytest.fixture
def write_suite(tmp_path, sack):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_suite_is_read_whole(write_suite):
    suite = load_suite(write_suite(SUITE))
    assert (suite.name, suite.about, suite.family) == ("mine", "packing", "sack")
    assert suite.objectives == ("count", "slack")
    assert (suite.methods, suite.seeds, suite.reference) == (("rule:smallest",), (4, 5), "solver:exact")
    labels = [entry.label for entry in load_instances(suite)]
    assert labels == ["s01", "s02", "s03", "sack-5-0", "sack-5-1"]


def test_suite_defaults(write_suite):
    suite = load_suite(write_suite("family: sack\ninstances: [s01]\n"))
    assert (suite.objectives, suite.methods, suite.seeds, suite.reference) == (
        ("count",),
        (),
        (0,),
        "best_known",
    )


def test_groups_are_kept_in_order(write_suite):
    suite = load_suite(write_suite("family: sack\ninstances:\n  5x5: [s02]\n  3x3: [s01, s03]\n"))
    assert [(e.group, e.label) for e in load_instances(suite)] == [
        ("5x5", "s02"),
        ("3x3", "s01"),
        ("3x3", "s03"),
    ]


def test_files_are_found_beside_the_suite(write_suite, sack, tmp_path):
    (tmp_path / "data").mkdir()
    for index in (2, 1):
        sack.resolve(f"s0{index}").save(tmp_path / "data" / f"{index}.json")
    suite = load_suite(write_suite("family: sack\ninstances: ['data/*.json', data/../s03]\n"))
    assert [entry for entry in suite.groups[""]] == [
        str(tmp_path / "data" / "1.json"),
        str(tmp_path / "data" / "2.json"),
        "data/../s03",
    ]
    suite = load_suite(write_suite("family: sack\ninstances: [data/2.json]\n"))
    assert [entry.label for entry in load_instances(suite)] == ["s02"]


def test_brackets_in_file_names_are_no_pattern(sack, tmp_path, monkeypatch):
    folder = tmp_path / "runs [old]"
    folder.mkdir()
    for index, name in ((1, "a[1].json"), (2, "a1.json"), (3, "b.json")):
        sack.resolve(f"s0{index}").save(folder / name)
    path = folder / "mine.yaml"
    path.write_text("family: sack\ninstances: ['a[1].json']\n", encoding="utf-8")
    assert [entry.label for entry in load_instances(load_suite(str(path)))] == ["s01"]
    path.write_text("family: sack\ninstances: ['[ab]1.json', '*b.json']\n", encoding="utf-8")
    assert [entry.label for entry in load_instances(load_suite(str(path)))] == ["s02", "s03"]
    monkeypatch.chdir(folder)
    assert [entry.label for entry in load_instances(adhoc_suite(["sack:a[1].json"]))] == ["s01"]


def test_range_keeps_leading_zeros_and_options(write_suite):
    suite = load_suite(
        write_suite("family: sack\ninstances: ['ta08..ta10:due_factor=1.5', x9..x10, 'l2d:6x6:9..l2d:6x6:10']\n")
    )
    assert suite.groups[""] == (
        "ta08:due_factor=1.5",
        "ta09:due_factor=1.5",
        "ta10:due_factor=1.5",
        "x9",
        "x10",
        "l2d:6x6:9",
        "l2d:6x6:10",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("about: packing", "abuot: packing", "mine.yaml: unknown key 'abuot'; expected one of about, family"),
        ("family: sack", "family: bag", "family: unknown name 'bag'"),
        ("family: sack", "about2: x", "unknown key 'about2'"),
        (
            "objectives: [count, slack]",
            "objectives: [cuont]",
            "key 'objectives': unknown value 'cuont'; expected one of",
        ),
        ("objectives: [count, slack]", "objectives: [count, count]", "'count' is given twice"),
        ("objectives: [count, slack]", "objectives: [count]\nobjective: slack", "both given"),
        ("s01..s03", "s03..s01", "range 's03..s01' is empty"),
        ("s01..s03", "'*.nothing'", "no file matches"),
        ("s01..s03", "7", "got 7; expected a name, a file"),
        (", seeds: 0..1", "", "key 'seeds' is missing"),
        ("generator: uniform, ", "", "key 'generator' is missing"),
        ("seeds: [4, 5]", "seeds: [4, -5]", "key 'seeds': got .*expected a number ≥ 0"),
        ("seeds: [4, 5]", "seeds: [4, 4]", "given twice"),
        ("seeds: [4, 5]", "seeds: []", "key 'seeds'"),
        ("methods: [rule:smallest]", "methods: {a: b}", "key 'methods': expected a list of texts"),
        ('{method: "solver:exact"}', "best", "key 'reference'.*unknown value 'best'"),
        ('{method: "solver:exact"}', "{method: 3}", "'method': expected a text"),
        ('{method: "solver:exact"}', "{mehtod: x}", "unknown key 'mehtod'"),
    ],
)
def test_mistakes_in_a_suite_name_file_and_key(write_suite, old, new, message):
    assert old in SUITE
    with pytest.raises(InputError, match=message):
        load_suite(write_suite(SUITE.replace(old, new, 1)))


def test_empty_instances_are_refused(write_suite):
    with pytest.raises(InputError, match="group 'a': expected a list of instances"):
        load_suite(write_suite("family: sack\ninstances: {a: []}\n"))


def test_unknown_generator_setting_names_the_suite(write_suite):
    suite = load_suite(write_suite("family: sack\ninstances: [{generator: uniform, itmes: 3, seeds: 0}]\n"))
    with pytest.raises(InputError, match=r"mine\.yaml: generator: unknown settings"):
        load_instances(suite)


def test_same_problem_twice_is_refused(write_suite, sack, tmp_path):
    sack.resolve("s01").save(tmp_path / "copy.json")
    suite = load_suite(write_suite("family: sack\ninstances: [s01, copy.json]\n"))
    with pytest.raises(InputError, match="instance s01 is the same problem as s01"):
        load_instances(suite)


def test_equal_names_of_different_problems_get_distinct_labels(write_suite, sack, tmp_path):
    replace(sack.resolve("s02"), name="s01").save(tmp_path / "other.json")
    suite = load_suite(write_suite("family: sack\ninstances: [s01, other.json]\n"))
    first, second = load_instances(suite)
    assert first.label == "s01"
    assert second.label == f"s01#{second.instance.digest[:6]}"


def test_adhoc_suite_takes_patterns_and_names(sack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sack.resolve("s05").save(tmp_path / "a.json")
    suite = adhoc_suite(["sack:*.json", "sack:s01..s02"])
    assert (suite.family, suite.objectives) == ("sack", ("count",))
    assert [entry.label for entry in load_instances(suite)] == ["s05", "s01", "s02"]


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["sack:*.json"], r"no file matches '\*\.json'"),
        (["s01"], "expected family:pattern"),
        (["sack:"], "expected family:pattern"),
        (["bag:s01"], "family: unknown name 'bag'"),
        (["sack:s01", "job_shop:ft06"], "is of family job_shop, an earlier one of sack"),
        ([], "none given"),
    ],
)
def test_mistakes_in_patterns(sack, tmp_path, monkeypatch, patterns, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        adhoc_suite(patterns)


@pytest.mark.parametrize("name", config_names("suites"))
def test_shipped_suites_load(name):
    suite = load_suite(name)
    assert suite.about
    try:
        entries = load_instances(suite)
    except InputError as error:
        if "GANTTLET_DATA" not in str(error):
            raise
        pytest.skip(f"files of suite {name} are absent: {error}")
    assert len(entries) == sum(len(group) for group in suite.groups.values())
    for entry in entries:
        assert entry.group in suite.groups


def test_taillard_suites_have_the_known_sizes():
    taillard, quick = load_instances(load_suite("taillard")), load_instances(load_suite("taillard_quick"))
    assert len(taillard) == 80
    assert [entry.instance.digest for entry in quick] == [entry.instance.digest for entry in taillard[:10]]
    assert all(entry.instance.size == entry.group for entry in taillard)
    assert all(entry.instance.due is not None for entry in load_instances(load_suite("taillard_tardiness")))
