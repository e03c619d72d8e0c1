"""Notebooks are committed without outputs: what they show is what the program does where they run."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def leftovers(notebook: Path) -> list[str]:
    """What a run left in a notebook, in words; nothing in one that is as it should be committed."""
    cells = json.loads(notebook.read_text())["cells"]
    return [
        f"{notebook.name}, cell {number}: {what}"
        for number, cell in enumerate(cells, 1)
        if cell["cell_type"] == "code"
        for what, found in (("an output", cell["outputs"]), ("an execution count", cell["execution_count"] is not None))
        if found
    ]


def main() -> None:
    """Names every leftover and fails if there is one."""
    found = [line for name in sys.argv[1:] for line in leftovers(Path(name))]
    print("\n".join(found))
    if found:
        sys.exit("clear the outputs before you commit: jupyter nbconvert --clear-output --inplace NOTEBOOK")


if __name__ == "__main__":
    main()
