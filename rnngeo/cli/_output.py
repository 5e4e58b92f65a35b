"""Tables, bars and JSON on the streams that are current at the call."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Bars:
    """Progress bars on standard error, one a stage."""

    def __init__(self):
        self._bar, self._stage = None, None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            from tqdm import tqdm

            self.close()
            self._stage = stage
            self._bar = tqdm(total=total, desc=stage, file=sys.stderr, leave=False, mininterval=0.2)
        assert self._bar is not None  # opened with the stage
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._stage = None, None


def format_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal: title, underlined header, aligned columns."""
    if not rows:
        return f"{title}\n  none\n"
    columns = list(zip(header, *rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    line = lambda cells: (
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
    )
    rule = "  " + "  ".join("-" * width for width in widths)
    return "\n".join([title, line(header), rule, *(line(row) for row in rows)]) + "\n"


class Output:
    """Where messages and JSON go; checked before the work begins, so that none is lost.

    With `--json -` standard output holds the JSON alone and messages go to standard error.
    """

    def __init__(self, json: str | None):
        self._json = json
        if json not in (None, "-"):
            path = Path(json)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                existed = path.exists()
                with path.open("a"):
                    pass
                if not existed:
                    path.unlink()
            except OSError as error:
                raise ValueError(
                    f"`json` must name a file that can be written, got {json!r} ({error.strerror})."
                ) from None

    def say(self, text: str) -> None:
        """A message or table."""
        print(text, file=sys.stderr if self._json == "-" else sys.stdout, flush=True)

    def finish(self, summary: dict[str, Any]) -> None:
        """The JSON object, if asked for."""
        from rnngeo.files import to_json, write_atomically

        if self._json == "-":
            sys.stdout.write(to_json(summary))
            sys.stdout.flush()
        elif self._json is not None:
            write_atomically(self._json, lambda path: path.write_text(to_json(summary)))
