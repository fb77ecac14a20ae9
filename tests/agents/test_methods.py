import sys
import types

import pytest

from ganttlet.core.errors import InputError
from ganttlet_agents.evaluation import methods
from ganttlet_agents.evaluation.methods import MethodType, Option, bind, method_types, parse_methods

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
    assert one("rule:seer").information("sack") == "clairvoyant"
    assert one("rule:smallest").information("sack") == "causal"


def test_information_may_depend_on_options_on_what_was_settled_and_on_the_family(plug_in):
    class Settled:
        settled = {"depth": 9}  # noqa: RUF012

    asked = []

    def information(options, family):
        asked.append((options, family))
        return "clairvoyant" if options["depth"] > 1 else "causal"

    options = {"depth": Option(int, 1, "how deep"), "wide": Option(bool, False, "how wide")}
    for name, built in (("plain", None), ("settled", Settled())):
        kind = MethodType("search", name, "*", "", options, lambda _, built=built: built, information=information)
        plug_in(kind)
        found = [one(f"search:{name}{text}").information("sack") for text in ("", ":depth=2")]
        assert found == (["causal", "clairvoyant"] if name == "plain" else ["clairvoyant"] * 2)
    assert asked[1] == ({"depth": 2, "wide": False}, "sack")


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


# Open names.


def opened(built, kind="policy", family="*"):
    """Return an open type that notes what it is built with."""

    def build(options, *, name, family):
        if name == "absent":
            raise InputError(f"nothing called {name} for {family}")
        built.append((name, family, options["depth"]))

    return MethodType(kind, "*", family, "any name", {"depth": Option(int, 1, "how deep")}, build)


@pytest.mark.parametrize(
    "name",
    [
        "job_shop",
        "runs/job_shop/quick-1",
        "../runs/a.b/",
        "/abs/run",
        r"C:\runs\quick-1",
        "C:/runs/quick-1",
        r"\\host\share\run",
        "a:b:c",
    ],
)
@pytest.mark.parametrize("trailing", ["", ":depth=2"])
def test_an_open_type_takes_any_name(plug_in, name, trailing):
    built = []
    plug_in(opened(built))
    method = one(f"policy:{name}{trailing}")
    assert method.label == f"policy:{name}{trailing}"
    assert (method.type.kind, method.type.name, method.type.family) == ("policy", name, "sack")
    assert built == [(name, "sack", 2 if trailing else 1)]
    assert one(method.label).label == method.label


def test_names_of_an_open_type_are_different_methods(plug_in):
    built = []
    plug_in(opened(built))
    labels = [method.label for method in parse_methods("policy:a,policy:b policy:a:depth=3", "sack")]
    assert labels == ["policy:a", "policy:b", "policy:a:depth=3"]
    with pytest.raises(InputError, match="policy:a is given twice"):
        parse_methods("policy:a,policy:a:depth=1", "sack")


def test_a_named_type_wins_over_the_open_one(plug_in):
    built = []
    plug_in(opened(built, kind="search"), plugged("deep"), plugged("wide", family="*"))
    assert one("search:deep").type.about == one("search:wide").type.about == "from a plug-in"
    assert built == []
    assert one("search:deeper").type.about == "any name"
    assert built == [("deeper", "sack", 1)]


def test_an_open_type_of_the_family_wins_over_that_of_every_family(plug_in):
    general, own = [], []
    plug_in(opened(general), opened(own, family="sack"))
    one("policy:a")
    assert (general, own) == ([], [("a", "sack", 1)])


def test_an_open_type_is_bound_under_a_name(plug_in):
    built = []
    plug_in(opened(built))
    (entry,) = method_types("sack")[:1]
    assert bind(entry.called("runs/a", "sack"), depth=4).label == "policy:runs/a:depth=4"
    assert built == [("runs/a", "sack", 4)]
    with pytest.raises(InputError, match=r"method policy:\*: expected a name in place of \*"):
        bind(entry)


def test_a_named_type_keeps_its_name():
    (kind,) = [entry for entry in method_types("sack") if entry.name == "smallest"]
    assert kind.called("other", "sack") is kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("policy:", "expected kind:name"),
        ("policy:*", r"method policy:\*: expected a name in place of \*"),
        ("policy:a:width=2", "method policy:a: unknown option 'width'; expected one of depth"),
        ("policy:a:depth=deep", "method policy:a option 'depth': cannot read 'deep'"),
        ("policy:runs/a=b", "expected kind:name"),
        ("policy:absent", "nothing called absent for sack"),
        ("rule:largest", "unknown rule 'largest'; expected one of .*smallest"),
        ("policies:a", "unknown kind 'policies' for sack; expected one of policy, rule, solver"),
    ],
)
def test_mistakes_beside_an_open_type(plug_in, text, message):
    plug_in(opened([]))
    with pytest.raises(InputError, match=message):
        parse_methods(text, "sack")


def test_two_open_types_of_a_kind_are_one_too_many(plug_in):
    plug_in(opened([]), opened([]))
    with pytest.raises(InputError, match=r"method policy:\* is given by both plug_in:METHODS and plug_in:METHODS"):
        one("rule:random")
