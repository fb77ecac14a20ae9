"""The kernel cache's folder: where it is, what it depends on, and what is cleared away."""

import os
import time
from pathlib import Path

from ganttlet.core import jit as module
from ganttlet.core.jit import KEEP_DAYS, cache_folder, jit


def age(folder: Path, days: float) -> Path:
    folder.mkdir()
    then = time.time() - days * 86400
    os.utime(folder, (then, then))
    return folder


def test_only_old_caches_are_dropped(tmp_path):
    old, fresh = age(tmp_path / ("0" * 20), KEEP_DAYS + 1), age(tmp_path / ("1" * 20), KEEP_DAYS - 1)
    foreign = age(tmp_path / "holiday-pictures", 400)
    (foreign / "beach.txt").touch()
    module._drop_old(tmp_path)
    assert (old.exists(), fresh.exists(), foreign.exists()) == (False, True, True)


def test_root(monkeypatch, tmp_path):
    monkeypatch.setenv("GANTTLET_CACHE", str(tmp_path))
    assert module._cache_root() == tmp_path
    monkeypatch.delenv("GANTTLET_CACHE")
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert module._cache_root() == tmp_path / "ganttlet" / "kernels"
    monkeypatch.setattr(module.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert module._cache_root() == tmp_path / "local" / "ganttlet" / "kernels"


def test_folder_follows_the_sources(monkeypatch, tmp_path):
    monkeypatch.setenv("GANTTLET_CACHE", str(tmp_path / "cache"))
    script = tmp_path / "script.py"
    folders = set()
    for text in ("a = 1\n", "a = 2\n"):
        script.write_text(text)
        cache_folder.cache_clear()
        folders.add(cache_folder(str(script), "__main__"))
    package = tmp_path / "parcel"
    package.mkdir()
    for name in ("__init__.py", "kernel.py", "helper.py"):
        (package / name).write_text("b = 1\n")
    for text in ("b = 1\n", "b = 2\n"):
        (package / "helper.py").write_text(text)
        cache_folder.cache_clear()
        module._hash_folder.cache_clear()
        folders.add(cache_folder(str(package / "kernel.py"), "parcel.kernel"))
        assert cache_folder(str(package / "__init__.py"), "parcel") in folders
    assert len(folders) == 4
    assert all(folder is not None and folder.is_dir() for folder in folders)
    cache_folder.cache_clear()
    module._hash_folder.cache_clear()


def test_no_cache_where_there_is_no_source_or_no_place(monkeypatch, tmp_path):
    assert cache_folder("<string>", "__main__") is None
    scope: dict = {}
    exec("def double(x):\n    return 2 * x\n", {"__name__": "__main__"}, scope)
    assert jit(scope["double"])(4) == 8
    (tmp_path / "file").touch()
    monkeypatch.setenv("GANTTLET_CACHE", str(tmp_path / "file"))
    cache_folder.cache_clear()
    assert cache_folder(__file__, "test_jit") is None
    cache_folder.cache_clear()
