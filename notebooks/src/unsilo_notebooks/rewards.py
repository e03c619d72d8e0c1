"""Who is paid what, by each rule, for the same ratings: cases for `unsilo ledger simulate`."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .program import run

RULES: Mapping[str, str] = {"median": "two-sided median (ours)", "yuma3": "Yuma v3", "trust": "trust (original paper)"}
"""The rules as `--mechanism` takes them, with names for charts."""

FULL = 65_535
"""The largest rating."""


@dataclass(frozen=True)
class Case:
    """Who rates whom how, epoch after epoch: `ratings[i][j]` is what i gives to j, from 0 to FULL."""

    names: Sequence[str]
    stake: Sequence[int]
    epochs: Sequence[Sequence[Sequence[int]]]
    emission: int = 1_000_000

    def shares(self, rule: str) -> pd.DataFrame:
        """What the rule pays each, as a share of what could be paid; a row for each epoch."""
        document = {
            "emission": self.emission,
            "epochs": [
                {"stake": list(self.stake), "weights_u16": [list(row) for row in epoch]} for epoch in self.epochs
            ],
        }
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "case.json"
            file.write_text(json.dumps(document))
            told = run("ledger", "simulate", "--mechanism", rule, "--case", file)
        payouts = [epoch["payout"] for epoch in told["epochs"]]
        return pd.DataFrame(payouts, columns=list(self.names)) / self.emission


def honest(worth: Sequence[float], noise: float, epochs: int, seed: int = 1) -> list[list[list[int]]]:
    """Ratings by what each is worth, with a relative error of `noise` (standard deviation); nobody rates itself."""
    draw = random.Random(seed)

    def rating(of: float) -> int:
        return min(FULL, max(0, round(FULL * of * (1 + draw.gauss(0, noise)))))

    size = len(worth)
    return [[[0 if i == j else rating(worth[j]) for j in range(size)] for i in range(size)] for _ in range(epochs)]


def cabal(case: list[list[list[int]]], members: Sequence[int], dust: int = 0) -> list[list[list[int]]]:
    """The same, but these rate only each other, and everybody else by `dust`."""
    within = set(members)
    size = len(case[0])

    def row(i: int, given: list[int]) -> list[int]:
        if i not in within:
            return given
        return [0 if i == j else FULL if j in within else dust for j in range(size)]

    return [[row(i, given) for i, given in enumerate(epoch)] for epoch in case]
