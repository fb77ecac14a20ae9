"""Methods that users write: what they may return, state and get wrong."""

import multiprocessing
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet_agents.cli import main
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.evaluation.results import load_results
from mutations import CASES

SPT = "rule:spt"
JOB_ORDER = """
    import numpy as np
    from ganttlet.job_shop import Schedule

    def in_order(shop, gap=0):
        start, now = np.full(shop.machine.shape, -1), 0
        for job, step in np.argwhere(shop.machine >= 0):
            start[job, step] = now
            now += int(shop.duration[job, step]) + gap
        return Schedule(start, instance=shop.digest)
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(path, text, *, imports=JOB_ORDER):
    path.write_text(textwrap.dedent(imports) + textwrap.dedent(text), encoding="utf-8")


def own(tmp_path, body, name="own.py", head=""):
    """Write a class ``M`` whose ``solve`` has the given body."""
    text = "class M:\n" + textwrap.indent(textwrap.dedent(head), "    ")
    text += "\n    def solve(self, shop, *, objective, seed):\n" + textwrap.indent(textwrap.dedent(body), " " * 8)
    write(tmp_path / name, text)


def one(text, family="job_shop"):
    (method,) = parse_methods(text, family)
    return method


def run(*methods, instances="job_shop:ft06", out="out", extra=()):
    words = ["run", "--instances", instances, "--methods", *methods, "--out", out, "--no-report", *extra]
    code = main(words, within="evaluate")
    return load_results(Path(out)), code


# python:…


def test_a_solution_alone_is_judged_beside_ours(tmp_path):
    own(tmp_path, "return in_order(shop)")
    results, code = run("python:own.py:M", SPT)
    mine, spt = results.rows
    assert (code, mine.value, mine.error, mine.status) == (0, 197.0, None, "")
    assert mine.value > spt.value
    assert (mine.deterministic, mine.information) == (True, "causal")


def test_an_outcome_keeps_what_it_claims(tmp_path):
    own(
        tmp_path,
        "from ganttlet_agents.evaluation.methods import Outcome\nreturn Outcome(in_order(shop), 47.0, status='x')",
    )
    (row,) = run("python:own.py:M")[0].rows
    assert (row.bound, row.status, row.optimal) == (47.0, "x", False)


def test_options_reach_the_constructor_with_their_types(tmp_path):
    write(
        tmp_path / "own.py",
        """
        class M:
            def __init__(self, **options):
                self.options = options
            def solve(self, shop, *, objective, seed):
                return in_order(shop)
        """,
    )
    method = one("python:./own.py:M:w=1.0:b=True:n=3:t=fast:z=none:e=1e3")
    assert method.label == "python:own.py:M:b=true:e=1000.0:n=3:t=fast:w=1.0:z=none"
    for bound in (method, one(method.label)):
        assert bound.label == method.label
        got = {key: (type(value), value) for key, value in bound.method.own.options.items()}
        assert got == {
            "w": (float, 1.0),
            "b": (bool, True),
            "n": (int, 3),
            "t": (str, "fast"),
            "z": (type(None), None),
            "e": (float, 1000.0),
        }


def test_modules_are_found_in_the_current_directory_and_objects_will_do(tmp_path):
    package = tmp_path / "my_package_of_rules"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "helper.py").write_text("GAP = 2\n", encoding="utf-8")
    text = """
        from my_package_of_rules.helper import GAP
        class M:
            def solve(self, shop, *, objective, seed):
                return in_order(shop, GAP)
        READY = M()
    """
    write(package / "rules.py", text)
    shop = get_family("job_shop").resolve("ft06")
    for name in ("M", "READY"):
        method = one(f"python:my_package_of_rules.rules:{name}")
        found = method.solve(shop, objective="makespan", seed=0)
        assert get_family("job_shop").validate(shop, found.solution).values["makespan"] == 197 + 2 * 35
        assert len(method.code) == 16


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 1 // 0", r"ZeroDivisionError: .* \(own\.py:14\)"),
        ("raise SystemExit('enough')", r"RuntimeError: SystemExit: enough, raised at own\.py:14"),
        ("raise ValueError('\\udc80')", r"RuntimeError: ValueError: \\udc80, raised at own\.py:14"),
        ("class E(Exception):\n  __str__ = None\nraise E", r"RuntimeError: E: \(its text cannot be had\), raised at"),
        ("raise GeneratorExit", r"RuntimeError: GeneratorExit"),
        ("return [[0]]", r"TypeError: the solution is a list, expected Schedule"),
        ("return None", r"no solution \(status: solve returned None\)"),
        (
            "import numpy as np\nreturn Schedule(np.full((6, 6), -1), instance=shop.digest)",
            "job 0 operation 0 is not sch",
        ),
        ("return Schedule([[0]], instance=shop.digest)", r"InputError: schedule has start times of shape \(1, 1\)"),
        ("return Schedule([['a']], instance=shop.digest)", r"InputError: field 'start': expected integers"),
        ("return in_order(shop, -1)", "job 0 operation 1"),
        ("shop.duration[:] = 0", "ValueError: assignment destination is read-only"),
        ("def f(): return f()\nreturn f()", "RecursionError"),
    ],
)
def test_what_goes_wrong_is_a_row(tmp_path, body, message):
    own(tmp_path, body)
    results, code = run("python:own.py:M", SPT)
    mine, spt = results.rows
    assert code == 1
    assert (mine.value, mine.feasible) == (None, False)
    assert re.search(message, mine.error), mine.error
    assert spt.error is None


@pytest.mark.parametrize(
    ("text", "file", "message"),
    [
        ("python:own.py:M", None, "own.py: cannot be read: No such file"),
        ("python:own.py", "", "expected python:MODULE:CLASS or python:path/to/file.py:CLASS"),
        ("python:own.py:M", "", "own.py defines no 'M'"),
        ("python:own.py:M", "x = 1\nif x\n", r"own\.py:2: SyntaxError"),
        ("python:own.py:M", "x = 1\n\ny = x / 0\n", r"own\.py:3: ZeroDivisionError"),
        ("python:own.py:M", "import no_such_package_at_all\n", r"own\.py:1: ModuleNotFoundError: No module named"),
        ("python:own.py:M", "import json\njson.loads('{')\n", r"own\.py:2: JSONDecodeError"),
        ("python:own.py:M", "import sys\nsys.exit(3)\n", r"own\.py:2: SystemExit: 3"),
        ("python:own.py:M", "class M: pass\n", r"M has no method solve\(instance, \*, objective, seed\)"),
        ("python:own.py:M", "class M:\n def solve(self, shop): pass\n", r"got solve\(shop\)"),
        (
            "python:own.py:M:a=1",
            "class M:\n def solve(self, i, **k): pass\n",
            r"cannot be constructed with a=1; .* M\(\)",
        ),
        (
            "python:own.py:M",
            "class M:\n def __init__(self, n): pass\n",
            r"constructed with no options; expected M\(n\)",
        ),
        ("python:own.py:M", "class M:\n def __init__(self):\n  raise OSError('x')\n", r"own\.py:3: OSError: x"),
        ("python:own.py:M:a=1", "class K:\n def solve(self, i, **k): pass\nM = K()\n", "only a class takes options"),
        ("python:own.py:M:1a=1", "", "unknown option '1a'; expected one of KEY"),
        ("python:no_such_module_at_all:M", None, "no module 'no_such_module_at_all'"),
        ("python:no_such_package_at_all.own:M", None, "no module 'no_such_package_at_all.own'"),
        ("python:a-b:M", None, "neither a module's name nor the path of a .py file"),
        ("python:json:dumps", None, "dumps has no method solve"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(tmp_path, capsys, text, file, message):
    if file is not None:
        (tmp_path / "own.py").write_text(file, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        one(text)
    assert main(["run", "--instances", "job_shop:ft06", "--methods", text, "--out", "out"], within="evaluate") == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_a_method_states_is_taken_over(tmp_path):
    own(
        tmp_path,
        "return in_order(shop)",
        head="families = 'job_shop'\ndeterministic = False\ninformation = 'clairvoyant'",
    )
    method = one("python:own.py:M")
    assert (method.deterministic, method.information("job_shop")) == (False, "clairvoyant")
    with pytest.raises(InputError, match="its families are job_shop, not soc_dag"):
        one("python:own.py:M", "soc_dag")
    member = one("search:portfolio:members=spt+python~own.py~M")
    assert not member.deterministic
    assert member.code == method.code


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("families = 3", "attribute 'families': expected names of families, got 3"),
        ("deterministic = 'yes'", "attribute 'deterministic': expected True or False, got 'yes'"),
        ("information = 'all'", "attribute 'information': unknown value 'all'; expected one of causal, clairvoyant"),
    ],
)
def test_what_cannot_be_stated(tmp_path, head, message):
    own(tmp_path, "return None", head=head)
    with pytest.raises(InputError, match=message):
        one("python:own.py:M")


def test_who_is_handed_a_hidden_future_counts_as_clairvoyant_unless_it_says_otherwise(tmp_path):
    own(tmp_path, "return None")
    assert one("python:own.py:M", "soc_dag").information("soc_dag") == "clairvoyant"
    own(tmp_path, "return None", head="information = 'causal'")
    assert one("python:own.py:M", "soc_dag").information("soc_dag") == "causal"
    write(tmp_path / "rule.py", "def score(obs): return obs['action_mask']\n")
    assert one("rule-file:rule.py", "soc_dag").information("soc_dag") == "causal"
    write(tmp_path / "rule.py", "def score(obs): return obs['action_mask']\ndef reset(instance): pass\n")
    assert one("rule-file:rule.py", "soc_dag").information("soc_dag") == "clairvoyant"


def test_what_it_changes_for_the_process_is_put_back(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    own(
        tmp_path,
        f"import os\nimport numpy as np\nos.chdir({str(other)!r})\nnp.seterr(all='raise')\nreturn in_order(shop)",
    )
    before = np.geterr()
    results, code = run("python:own.py:M", SPT)
    assert code == 0
    assert len(results.rows) == 2
    assert Path.cwd() == tmp_path
    assert np.geterr() == before


def test_a_status_that_no_file_can_hold_is_escaped(tmp_path):
    own(
        tmp_path,
        "from ganttlet_agents.evaluation.methods import Outcome\nreturn Outcome(in_order(shop), status='\\udc80')",
    )
    (row,) = run("python:own.py:M")[0].rows
    assert row.status == "\\udc80"


def test_warm_up_is_passed_on(tmp_path):
    own(
        tmp_path,
        "return in_order(shop) if self.warm else None",
        head="def warm_up(self, shop, *, objective):\n    self.warm = objective",
    )
    (row,) = run("python:own.py:M")[0].rows
    assert row.error is None


def test_a_result_says_which_code_ran_and_is_read_without_it(tmp_path):
    own(tmp_path, "return in_order(shop)")
    first, _ = run("python:own.py:M", out="first")
    again, _ = run("python:own.py:M", out="again")
    # As long as before and within the same second: no cached bytecode may stand in for it.
    own(tmp_path, "return in_order(shop,)")
    other, _ = run("python:own.py:M", out="other")
    hashes = [found.rows[0].config_hash for found in (first, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    codes = [found.meta["methods"][0]["code"] for found in (first, again, other)]
    assert codes[0] == codes[1] != codes[2]
    assert first.rows[0].key == other.rows[0].key
    (tmp_path / "own.py").write_text("raise SystemExit('executed')", encoding="utf-8")
    assert main(["report", "first"], within="evaluate") == 0


def test_methods_of_ours_carry_no_code():
    results, _ = run(SPT)
    assert "code" not in results.meta["methods"][0]
    assert one(SPT).code == ""


def solve_in_a_worker(label):
    shop = get_family("job_shop").resolve("ft06")
    found = one(label).solve(shop, objective="makespan", seed=0)
    return get_family("job_shop").validate(shop, found.solution).values["makespan"]


def test_a_spawned_worker_builds_it_from_its_label(tmp_path):
    own(tmp_path, "return in_order(shop)")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(solve_in_a_worker, (one("python:own.py:M").label,)) == 197


# rule-file:…


def test_a_rule_file_plays_as_the_rule_that_it_restates(tmp_path):
    (tmp_path / "rule.py").write_text("def score(obs):\n    return -obs['job'][:, 1]\n", encoding="utf-8")
    (tmp_path / "act.py").write_text(
        "import numpy as np\n"
        "def act(obs):\n"
        "    legal = np.flatnonzero(obs['action_mask'])\n"
        "    return legal[np.argmin(obs['job'][legal, 1])]\n",
        encoding="utf-8",
    )
    results, code = run("rule-file:rule.py", "rule-file:act.py", SPT, instances="job_shop:ta01..ta03")
    assert code == 0
    by_method = {
        label: [row.value for row in results.rows if row.method == label]
        for label in ("rule-file:rule.py", "rule-file:act.py", SPT)
    }
    assert len(set(map(tuple, by_method.values()))) == 1
    assert {row.decisions for row in results.rows} == {225}


def played(tmp_path, text, options=""):
    (tmp_path / "rule.py").write_text(textwrap.dedent(text), encoding="utf-8")
    (row,) = run(f"rule-file:rule.py{options}", extra=["--overwrite"])[0].rows
    return row


def test_ties_go_to_the_least_index_and_illegal_actions_are_left_out(tmp_path):
    constant = played(tmp_path, "import numpy as np\ndef score(obs): return np.zeros(len(obs['action_mask']))")
    first = played(tmp_path, "import numpy as np\ndef act(obs): return int(np.flatnonzero(obs['action_mask'])[0])")
    assert constant.error is first.error is None
    assert constant.value == first.value
    # What is illegal scores best, and NaN there is nobody's business.
    spoilt = played(
        tmp_path,
        "import numpy as np\ndef score(obs): return np.where(obs['action_mask'] > 0, 0.0, [np.inf, np.nan] * 3)",
    )
    assert spoilt.value == first.value


def test_what_a_rule_does_to_its_observation_stays_with_it(tmp_path):
    text = """
        def score(obs):
            scores = -obs["job"][:, 1].copy()
            for array in obs.values():
                array[...] = 1
            return scores
    """
    clean = played(tmp_path, "def score(obs): return -obs['job'][:, 1]")
    assert played(tmp_path, text).value == clean.value


def test_reset_is_called_with_the_instance_before_each_episode(tmp_path):
    text = """
        seen = []
        def reset(instance):
            seen.append(instance.name)
        def score(obs):
            assert seen[-1] == "ft06"
            return obs["job"][:, 2]
    """
    assert played(tmp_path, text).error is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def score(obs): return 1.0", r"score: expected an array of shape \(6,\), got \(\)"),
        ("def score(obs): return obs['job']", r"score: expected an array of shape \(6,\), got \(6, "),
        ("def score(obs): return obs['job'][:, 0] * float('nan')", "score: NaN for the legal action 0"),
        ("def score(obs): return ['a'] * 6", "score: expected numbers"),
        ("def score(obs): return obs['jobs']", r"KeyError: 'jobs' \(rule\.py:1\)"),
        ("def score(obs): raise SystemExit", "RuntimeError: SystemExit"),
        ("def act(obs): return 6", r"act: expected an action in 0 … 5, got 6"),
        ("def act(obs): return -1", r"act: expected an action in 0 … 5, got -1"),
        ("def act(obs): return 0", r"act: action 0 is illegal here; legal are 1, 3, 5"),
        ("def act(obs): return 1.0", "act: expected an integer, got float64"),
        ("def act(obs): return None", "act: expected an integer, got object"),
        ("def act(obs): return [0, 1]", r"act: expected an integer, got int64 of shape \(2,\)"),
    ],
)
def test_what_a_rule_gets_wrong_is_a_row(tmp_path, text, message):
    row = played(tmp_path, text)
    assert row.value is None
    assert re.search(message, row.error), row.error


@pytest.mark.parametrize(
    ("options", "file", "message"),
    [
        ("", "x = 1", "define score.* found neither"),
        ("", "def score(obs): pass\ndef act(obs): pass", "found both"),
        ("", "def score(): pass", r"expected score\(obs\), got score\(\)"),
        ("", "def act(obs): pass\ndef reset(): pass", r"expected reset\(instance\)"),
        (
            ":env=ganttlet/SoCDAG-v0",
            "def act(obs): pass",
            "option 'env': unknown value .* expected one of ganttlet/JobShop",
        ),
        (":env_preset=l3d", "def act(obs): pass", "preset: unknown value 'l3d'; expected one of l2d"),
        (":env_colour=red", "def act(obs): pass", "unexpected keyword argument 'colour'"),
        (":env_instance=ft10", "def act(obs): pass", "option 'env_instance' is not the rule's to give"),
        (":colour=red", "def act(obs): pass", "unknown option 'colour'; expected one of env, env_KEY"),
    ],
)
def test_rule_files_that_cannot_be_used_are_named(tmp_path, options, file, message):
    (tmp_path / "rule.py").write_text(file, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        one(f"rule-file:rule.py{options}")


def test_options_reach_the_environment(tmp_path):
    rule = "def score(obs): return -obs['job'][:, 1]"
    plain, inserted = played(tmp_path, rule), played(tmp_path, rule, ":env_preset=l2d")
    assert inserted.method == "rule-file:rule.py:env_preset=l2d"
    assert inserted.error is None
    assert inserted.value != plain.value
    cut = played(tmp_path, rule, ":env_max_episode_steps=3")
    assert cut.status == "cut off after 3 decisions"
    assert "is not scheduled" in cut.error


@pytest.mark.parametrize("label", CASES)
def test_a_rule_plays_every_family(label, tmp_path):
    """The first legal action is a rule everywhere; every decision is timed."""
    case = CASES[label]
    family = get_family(case.family)
    (tmp_path / "rule.py").write_text("def score(obs): return [0.0] * len(obs['action_mask'])", encoding="utf-8")
    method = one("rule-file:rule.py" + (f":env={family.env_ids[1]}" if label == "pods" else ""), family)
    spec = case.instances[0]
    instance = family.resolve(spec) if isinstance(spec, str) else family.generate(spec, 0)
    found = method.solve(instance, objective=next(iter(family.objectives)), seed=0)
    assert family.validate(instance, found.solution).feasible
    assert found.status == ""
    assert len(found.latencies) == found.decisions > 5


def test_the_list_shows_both_kinds(capsys):
    assert main(["list", "--only", "python", "rule-file"], within="evaluate") == 0
    shown = capsys.readouterr().out
    for word in ("python:NAME", "rule-file:NAME", "env_KEY", "KEY"):
        assert word in shown
