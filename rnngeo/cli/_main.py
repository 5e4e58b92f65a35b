"""From words to an exit code."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ._commands import COMMANDS
from ._parser import Stop, build_parser, protect_negative_numbers


def main(argv: Sequence[str]) -> int:
    """Run one command inside this process.

    Args:
        argv: The words after `rnngeo`.

    Returns:
        The exit code: 0, 1 where the computation failed, 2 for bad arguments or files, 130 if
        interrupted. Nothing is raised for a person's mistakes, and no global setting is changed.
    """
    try:
        arguments = build_parser().parse_args(protect_negative_numbers(argv))
        COMMANDS[arguments.command](arguments)
    except Stop as stop:
        return _end(stop.code, stop.message)
    except ValueError as error:
        return _end(2, str(error))
    except KeyboardInterrupt:
        return _end(130, "interrupted; the same command takes the sweep up where it was saved")
    except (OSError, RuntimeError, MemoryError) as error:
        return _end(1, f"{type(error).__name__}: {error}")
    return 0


def _end(code: int, message: str) -> int:
    if message and code:
        print(f"rnngeo: error: {' '.join(message.split())}", file=sys.stderr)
    elif message:
        print(message.rstrip())
    return code


def _keep_compilations() -> None:
    """Keep compiled programs on disk, so that the second run of a command starts fast."""
    import jax

    if jax.config.jax_compilation_cache_dir is None:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(home) / "rnngeo" / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def entry_point() -> None:
    """The program `rnngeo`."""
    # LAPACK's own threads wait by spinning: beside XLA's they can slow an eigenvalue problem a
    # hundredfold on a busy machine, and gain a third on an idle one
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = sys.argv[1:]
    if words and words[0] in COMMANDS and not {"-h", "--help"} & set(words):
        _keep_compilations()
    sys.exit(main(words))
