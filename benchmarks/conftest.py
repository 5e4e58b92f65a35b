"""Sizes, interleaved timing and the header of every benchmark."""

import os
import time
from collections.abc import Callable

import jax
import numpy as np
import pytest

IS_SMALL = os.environ.get("RNNGEO_BENCH_SMALL") == "1"


@pytest.fixture
def pick():
    """The full size, or the small one with RNNGEO_BENCH_SMALL=1."""
    return lambda full, small: small if IS_SMALL else full


@pytest.fixture
def measure():
    """Times several functions in turn, so that a busy machine slows all of them alike."""

    def run(functions: dict[str, Callable], n_rounds: int) -> dict:
        first, seconds = {}, {name: [] for name in functions}
        for name, function in functions.items():
            begin = time.perf_counter()
            jax.block_until_ready(function())
            first[name] = time.perf_counter() - begin
        for _ in range(n_rounds):
            for name, function in functions.items():
                begin = time.perf_counter()
                jax.block_until_ready(function())
                seconds[name].append(time.perf_counter() - begin)
        seconds = {name: np.array(values) for name, values in seconds.items()}
        compiling = {name: first[name] - np.median(seconds[name]) for name in functions}
        return {"seconds": seconds, "compiling": compiling}

    return run


@pytest.fixture
def report(benchmark):
    """Prints ratios to a floor, and keeps them with the benchmark."""

    def write(title: str, measured: dict, floor: str, **facts):
        seconds, compiling = measured["seconds"], measured["compiling"]
        device = jax.devices()[0]
        print(f"\n{title}\n  {device.device_kind}, jax {jax.__version__}, {os.cpu_count()} cores")
        print("  " + ", ".join(f"{name} {value}" for name, value in facts.items()))
        ratios = {}
        for name, values in seconds.items():
            ratios[name] = float(np.median(values / seconds[floor]))
            print(
                f"  {name:24s} {np.median(values):8.3f} s   {ratios[name]:6.3f} x {floor}"
                f"   (compile {compiling[name]:.2f} s)"
            )
        benchmark.extra_info.update({"ratios": ratios, **{k: str(v) for k, v in facts.items()}})
        return ratios

    return write
