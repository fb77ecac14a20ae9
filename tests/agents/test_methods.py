import sys
import types

import pytest

from ganttlet.core.errors import InputError
from ganttlet_agents.evaluation import methods
from ganttlet_agents.evaluation.methods import MethodType, bind, method_types, parse_methods

pytestmark = pytest.mark.usefixtures("sack")


def one(text):
    (method,) = parse_methods(text, "sack")
    return method


def test_defaults_are_filled_in_and_left_out_of_the_label():
    method = one("rule:smallest")
    assert method.label == "rule:smallest"
    assert dict(method.options) == {"fraction": 1.0, "rounds": None, "tie": "low", "quiet": False}


def test_options_have_their_types():
    method = one("rule:smallest:fraction=0.50:rounds=3:tie=high:quiet=true")
    assert dict(method.options) == {"fraction": 0.5, "rounds": 3, "tie": "high", "quiet": True}
    assert method.label == "rule:smallest:fraction=0.5:rounds=3:tie=high:quiet=true"


@pytest.mark.parametrize("text", ["rule:smallest:tie=high:fraction=0.5", "rule:smallest:fraction=.5:tie=high"])
def test_label_does_not_depend_on_the_order_of_options(text):
    assert one(text).label == "rule:smallest:fraction=0.5:tie=high"


def test_label_reads_back_as_the_same_method():
    method = one("rule:smallest:fraction=0.123456789:rounds=none")
    assert one(method.label).options == method.options


@pytest.mark.parametrize(
    "text", ["rule:smallest,solver:exact", "rule:smallest  solver:exact", "rule:smallest, solver:exact"]
)
def test_several_methods_by_comma_or_space(text):
    assert [method.label for method in parse_methods(text, "sack")] == ["rule:smallest", "solver:exact"]


def test_several_texts():
    assert len(parse_methods(["rule:smallest", "solver:exact,rule:random"], "sack")) == 3


def test_same_method_with_other_options_is_another_method():
    labels = [method.label for method in parse_methods("rule:smallest,rule:smallest:fraction=0.5", "sack")]
    assert len(set(labels)) == 2


def test_deterministic_and_information_come_from_the_type():
    assert one("rule:smallest").deterministic
    assert not one("solver:exact").deterministic
    assert one("rule:seer").type.information == "clairvoyant"


def test_bind_takes_values():
    (kind,) = [entry for entry in method_types("sack") if entry.name == "smallest"]
    assert bind(kind, fraction=0.5, quiet=True).label == "rule:smallest:fraction=0.5:quiet=true"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "none given"),
        ("smallest", "expected kind:name"),
        ("rule:", "expected kind:name"),
        ("rule:smallest:tie", "unknown rule 'smallest:tie'"),
        ("rule:smallest:tie=low:quiet", "expected kind:name"),
        ("rules:smallest", "unknown kind 'rules' for sack; expected one of rule, solver"),
        ("rule:largest", "expected one of .*overload.*smallest"),
        ("rule:smallest:colour=red", "unknown option 'colour'; expected one of fraction, rounds, tie, quiet"),
        ("rule:random:colour=red", "it has no options"),
        ("rule:smallest:fraction=half", "cannot read 'half'; expected a number ≥ 0"),
        ("rule:smallest:fraction=nan", "cannot read 'nan'"),
        ("rule:smallest:fraction=-1", "too small; expected a number ≥ 0"),
        ("rule:smallest:rounds=1.5", "expected an integer or none"),
        ("rule:smallest:tie=left", "expected one of low, high"),
        ("rule:smallest:tie=", "expected one of low, high"),
        ("rule:smallest:quiet=maybe", "expected true or false"),
        ("rule:smallest:tie=low:tie=high", "option 'tie' is given twice"),
        ("rule:smallest,rule:smallest:fraction=1", "rule:smallest is given twice"),
    ],
)
def test_mistakes_name_what_was_expected(text, message):
    with pytest.raises(InputError, match=message):
        parse_methods(text, "sack")


def test_methods_of_another_family_are_unknown():
    with pytest.raises(InputError, match="unknown kind 'rule' for job_shop"):
        parse_methods("rule:smallest", "job_shop")


@pytest.fixture
def plug_in(monkeypatch, sack):
    """Return a function that installs a plug-in with given methods."""

    def install(*entries, target="plug_in:METHODS"):
        module = types.ModuleType("plug_in")
        module.METHODS = entries
        monkeypatch.setitem(sys.modules, "plug_in", module)
        point = types.SimpleNamespace(name="extra", value=target)
        monkeypatch.setattr(methods, "entry_points", lambda group: [point])
        methods._registry.cache_clear()

    return install


def plugged(name, family="sack"):
    return MethodType("search", name, family, "from a plug-in", {}, lambda options: None)


def test_plug_ins_add_methods_and_kinds(plug_in):
    plug_in(plugged("deep"), plugged("any", family="*"))
    assert one("search:deep").label == "search:deep"
    assert one("search:any").label == "search:any"


def test_plug_in_must_not_take_a_known_name(plug_in):
    plug_in(MethodType("rule", "smallest", "sack", "", {}, lambda options: None))
    with pytest.raises(InputError, match="rule:smallest is given by both sack_family:METHODS and plug_in"):
        one("rule:random")


def test_plug_in_of_the_wrong_type_is_named(plug_in):
    plug_in("not a method")
    with pytest.raises(InputError, match="plug_in:METHODS: expected a sequence of MethodType"):
        one("rule:random")


def test_broken_plug_in_leaves_the_others(plug_in):
    plug_in(target="no_such_module_at_all:METHODS")
    with pytest.warns(RuntimeWarning, match="plug-in extra .* is left out"):
        assert one("rule:random").label == "rule:random"
