"""Precision of the suite, repeatable keys, and the golden numbers."""

import json
import os
import zlib
from pathlib import Path

import jax
import pytest
from hypothesis import settings

X64 = os.environ.get("RNNGEO_TEST_X64", "1") == "1"
jax.config.update("jax_enable_x64", X64)
# Most of the time goes into compiling thousands of programs that run once.
IS_QUICK = X64 and os.environ.get("RNNGEO_TEST_OPTIMIZED", "0") != "1"
jax.config.update("jax_disable_most_optimizations", IS_QUICK)

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=20)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(config, items):
    """Without x64 run only what must hold in single precision; without a GPU skip its tests."""
    if not X64:
        kept = [item for item in items if "float32" in item.keywords]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
    if all(device.platform == "cpu" for device in jax.devices()):
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no accelerator on this machine"))


@pytest.fixture(autouse=True)
def _compile_well(request):
    """What computes for longer than it compiles is compiled as users compile it."""
    is_quick = IS_QUICK and "computes" not in request.keywords
    jax.config.update("jax_disable_most_optimizations", is_quick)


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Every compiled program holds memory maps, and a process may have 65 530 of them."""
    yield
    jax.clear_caches()


@pytest.fixture
def key(request):
    """Fixed by the test's own name: no test depends on its neighbours or on the date."""
    return jax.random.key(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(scope="session")
def golden():
    """Entries of the reference table of feedback networks, by kind."""
    path = Path(__file__).parent / "golden" / "feedback_networks.json"
    by_kind: dict[str, list[dict]] = {}
    for entry in json.loads(path.read_text())["entries"]:
        by_kind.setdefault(entry["kind"], []).append(entry)
    return by_kind
