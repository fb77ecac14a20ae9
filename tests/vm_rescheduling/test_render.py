"""Pictures of plans: bars are as long as what is free, headings and arrows say what the validator says."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling.render import cluster_ansi, cluster_rgb, cluster_svg, save_cluster
from ganttlet.vm_rescheduling.scene import FRAGMENT, RESERVED, WHOLE
from ganttlet.vm_rescheduling.solution import Plan, validate
from reference.vm_samples import sample_cluster, sample_plan, sample_pods

SVG = "{http://www.w3.org/2000/svg}"


def filled(svg, color):
    """Return the lengths of the bars of a colour, the legend's square left out, per panel of equally many bars."""
    paths = [path for path in ElementTree.fromstring(svg).iter(f"{SVG}path") if path.get("fill") == color]
    boxes = re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v", "".join(path.get("d") for path in paths))
    return [(float(x), float(y), float(width)) for x, y, width in boxes if float(y) > 60]


def texts(svg):
    return [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def replayed(instance, plan):
    usage = instance.usage()
    for move in plan.moves.tolist():
        usage.move(*move)
    return usage


@pytest.mark.parametrize("hosts", [6, 40, 300])
def test_bars_are_as_long_as_what_is_free_before_and_after(hosts):
    instance = sample_cluster(1, hosts, 4 * hosts)
    plan = sample_plan(instance, 8)
    svg = cluster_svg(instance, plan)
    after = replayed(instance, plan)
    total = {color: [0.0, 0.0] for color in (RESERVED, WHOLE, FRAGMENT)}
    for color, sums in total.items():
        for x, _, length in filled(svg, color):
            sums[x > 480] += length
    scale = sum(total[color][0] for color in total) / instance.cpu.sum()
    for panel, usage in enumerate((instance.usage(), after)):
        rest = usage.cpu % 16
        expected = (instance.cpu - usage.cpu).sum(), (usage.cpu - rest).sum(), rest.sum()
        drawn = [total[color][panel] / scale for color in (RESERVED, WHOLE, FRAGMENT)]
        # Lengths are written to a tenth of a pixel.
        np.testing.assert_allclose(drawn, expected, atol=0.06 / scale * 2 * hosts)


def test_headings_are_the_validators_values():
    instance = sample_cluster(2)
    plan = sample_plan(instance, 5)
    first, last = (validate(instance, one).values for one in (Plan([], instance.digest), plan))
    found = texts(cluster_svg(instance, plan, "a <b> & c"))
    assert found[0] == "a <b> & c"
    assert f"before: FR16 {first['fr16']:.4f}, N16 {first['n16']:.0f}" in found
    assert f"after 5 moves: FR16 {last['fr16']:.4f}, N16 {last['n16']:.0f}" in found
    assert texts(cluster_svg(instance, plan))[0] == f"sample 2 ({instance.size})"


def test_arrows_name_vms_and_places():
    instance = sample_cluster(3)
    names = {"host_id": [f"h{i}" for i in range(6)], "vm_id": [f"web-server-number-{v}" for v in range(instance.n_vms)]}
    named = sample_cluster(3, **names)
    plan = sample_plan(instance, 6)
    usage, expected, with_names = instance.usage(), [], []
    for at, (vm, host, numa) in enumerate(plan.moves.tolist()):
        nodes = ("", "") if numa == 2 else (f"/{usage.numa[vm]}", f"/{numa}")
        start = usage.host[vm]
        expected.append(f"{at + 1}. vm_{vm} ({instance.cores[vm]} cores) pm_{start}{nodes[0]} → pm_{host}{nodes[1]}")
        short = f"web-ser…{f'web-server-number-{vm}'[-6:]}"
        with_names.append(f"{at + 1}. {short} ({instance.cores[vm]} cores) h{start}{nodes[0]} → h{host}{nodes[1]}")
        usage.move(vm, host, numa)
    assert [text for text in texts(cluster_svg(instance, plan)) if "→" in text] == expected
    assert [text for text in texts(cluster_svg(named, plan)) if "→" in text] == with_names
    assert cluster_ansi(instance, plan).splitlines()[-6:] == [arrow.replace("→", "->") for arrow in expected]


def sizes(cores):
    """Return what a pointer tells of the sizes of a host's VMs."""
    kinds = sorted(set(cores), reverse=True)
    words = [f"{cores.count(size)} of {size}" for size in kinds]
    if len(kinds) > 4:
        words = [*words[:4], f"{len(kinds) - 4} smaller sizes"]
    return f": {', '.join(words)} cores" if cores else ""


def test_pointers_tell_what_is_free():
    instance = sample_cluster(4)
    plan = sample_plan(instance, 1)
    titles = [title.text for title in ElementTree.fromstring(cluster_svg(instance, plan)).iter(f"{SVG}title")]
    usage, after = instance.usage(), replayed(instance, plan)
    for host, title in enumerate(titles):
        words = [
            ", ".join(f"NUMA {k}: {one.cpu[host, k]} cores and {one.mem[host, k]} MB free" for k in (0, 1))
            + f", {(one.host == host).sum()} vms{sizes(instance.cores[one.host == host].tolist())}"
            for one in (usage, after)
        ]
        changed = host in (instance.host[plan.moves[0, 0]], plan.moves[0, 1])
        assert title == f"{host}: {words[0]}" + (f"; after: {words[1]}" if changed else "")
    assert len(titles) == 6


def test_long_plans_are_cut():
    instance = sample_cluster(5, limit=130)
    plan = sample_plan(instance, 130)
    found = texts(cluster_svg(instance, plan))
    assert sum("→" in text for text in found) == 100
    assert found[-1] == "… and 30 more"
    assert cluster_ansi(instance, plan).splitlines()[-1] == "... and 30 more"


def test_pods_show_tiers_pending_and_evictions():
    instance = sample_pods(0)
    plan = sample_plan(instance, 8, 1)
    assert (plan.moves[:, 1] == -1).any()
    found = texts(cluster_svg(instance, plan))
    for words, usage in (("before", instance.usage()), ("after 8 moves", replayed(instance, plan))):
        out = usage.host == -1
        tiers = ", ".join(f"tier {t}: {(out & (instance.tier == t)).sum()}" for t in (2, 1, 0))
        assert f"{words}: {out.sum()} pending ({tiers})" in found
    at = int(np.flatnonzero(plan.moves[:, 1] == -1)[0])
    assert any(text.startswith(f"{at + 1}. pod_") and text.endswith("→ out") for text in found)
    assert "requested, tier 2" in found
    assert "percent of cpu requested" in cluster_ansi(instance, plan)


def test_text_shows_a_symbol_per_numa_node():
    instance = sample_cluster(6)
    lines = cluster_ansi(instance, Plan([], instance.digest)).splitlines()
    usage = instance.usage()
    cells = [
        "".join({(0, 0): ".", (0, 1): "x", (1, 0): "o", (1, 1): "*"}[f >= 16, f % 16 > 0] for f in row)
        for row in usage.cpu.tolist()
    ]
    assert [part.strip() for part in lines[2].split("|")] == [" ".join(cells)] * 2


def test_pixels_keep_their_size_over_an_episode():
    instance = sample_cluster(7)
    first, last = cluster_rgb(instance, Plan([], instance.digest)), cluster_rgb(instance, sample_plan(instance, 8))
    assert first.dtype == np.uint8
    assert first.shape == last.shape == (last.shape[0], 960, 3)
    assert (first != last).any()
    for color in (RESERVED, WHOLE, FRAGMENT):
        rgb = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
        assert (first == rgb).all(axis=2).sum() > 60


def test_large_pictures_stay_light():
    part = sample_cluster(8, 100, 400)
    arrays = {name: np.tile(getattr(part, name), 12) for name in ("cores", "memory", "split", "numa")}
    host = np.concatenate([part.host + 100 * copy for copy in range(12)])
    capacity = {name: np.tile(getattr(part, name), (12, 1)) for name in ("cpu", "mem")}
    instance = replace(part, host=host, limit=50, **capacity, **arrays)
    assert instance.n_hosts == 1200
    assert len(cluster_svg(instance, sample_plan(instance, 50))) < 700_000


@pytest.mark.parametrize(
    ("ending", "magic"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".pdf", b"%PDF"), (".txt", b"sample 0")]
)
def test_files(tmp_path, ending, magic):
    instance = sample_cluster(0)
    save_cluster(instance, sample_plan(instance, 3), tmp_path / f"plan{ending}")
    assert (tmp_path / f"plan{ending}").read_bytes().startswith(magic)
    assert len(list(tmp_path.iterdir())) == 1


def test_bad_input_is_refused(tmp_path):
    instance = sample_cluster(0)
    with pytest.raises(InputError, match=r"plan\.gif: unknown ending '\.gif'; expected \.svg, \.png, \.pdf or \.txt"):
        save_cluster(instance, Plan([], instance.digest), tmp_path / "plan.gif")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="picture of sample 0: the plan belongs to instance elsewhere"):
        cluster_svg(instance, Plan([], "elsewhere"))
    stay = Plan([(0, instance.host[0], instance.numa[0])], instance.digest)
    with pytest.raises(InputError, match="picture of sample 0: move 0: VM 0 lies on host"):
        cluster_ansi(instance, stay)


def test_drawing_svg_and_text_needs_no_matplotlib():
    code = "import sys, ganttlet.vm_rescheduling; print(sorted({'matplotlib', 'torch', 'ortools'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
