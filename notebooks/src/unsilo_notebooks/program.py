"""The program: its commands' JSON documents, and a demo that runs while a notebook looks at it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .api import Endpoint

Json = Any
"""A JSON document: what keys it has, `unsilo COMMAND --help` and docs/endpoint.md say."""


def program() -> str:
    """Where the program is: the variable UNSILO, the search path, or this repository's build."""
    built = Path(__file__).parents[3] / "target" / "release" / "unsilo"
    for found in (os.environ.get("UNSILO"), shutil.which("unsilo"), str(built)):
        if found and Path(found).exists():
            return found
    raise FileNotFoundError("unsilo is not here: run `cargo build --release`, or set UNSILO to the program")


def run(*arguments: str | Path, seconds: float = 300) -> Json:
    """The JSON document that `unsilo ARGUMENTS --json` prints; what it says on failure is the error's text."""
    command = [program(), *map(str, arguments), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"unsilo {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Demo:
    """A demo that has run all its rounds and still serves its model."""

    report: Json
    """What `unsilo demo --json` printed."""
    endpoint: Endpoint
    """Its coordinator's HTTP API."""
    directory: Path
    """Its files: `coordinator`, `company-1` and so on."""


@contextmanager
def demo(rounds: int = 20, seed: int = 1, seconds: float = 300) -> Iterator[Demo]:
    """A whole federation on this machine: five companies, real data, real TLS. Ends with the block."""
    with tempfile.TemporaryDirectory(prefix="unsilo-notebook-") as kept:
        directory = Path(kept) / "demo"
        port = _free_port()
        arguments = ["demo", "--json", "--quiet", "--device", "cpu", "--rounds", str(rounds), "--seed", str(seed)]
        output = Path(kept) / "report.json"
        with output.open("wb") as stdout:
            command = [program(), *arguments, "--port", str(port), "--dir", str(directory)]
            process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL)
        try:
            report = _report(process, output, time.monotonic() + seconds)
            endpoint = Endpoint(str(report["url"]), Path(str(report["authority"])))
            yield Demo(report, endpoint, directory)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _report(process: subprocess.Popen[bytes], output: Path, until: float) -> Json:
    """The document of a demo, once all of it is written."""
    while time.monotonic() < until:
        try:
            return json.loads(output.read_text())
        except json.JSONDecodeError:
            if process.poll() is not None:
                raise RuntimeError(f"the demo ended with exit code {process.returncode}") from None
            time.sleep(0.1)
    raise TimeoutError("the demo did not finish its rounds in time")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
