#!/usr/bin/env python3
"""Estimates the security of the parameters in `../src/params.rs`, and compares with what `estimates.json` records.

    python3 -m venv sage && sage/bin/pip install -r requirements.txt
    git clone https://github.com/malb/lattice-estimator && git -C lattice-estimator checkout 27a581b
    PYTHONPATH=lattice-estimator sage/bin/python estimate.py [--write]

About four minutes. `--write` records the result in `estimates.json`, which a test holds against the constants of the crate:
a constant cannot change without a new estimate. Without lattice-estimator or passagemath nothing is computed; the script
then says so, prints the recorded rows as such, and ends with exit code 3.

**Keys.** The worst case: the attacker knows everything but the secrets of two honest participants with weights 255 and 256,
and sees the sum of their keys opened. Then it also has T = 255·e1 + 256·e2 for every coefficient, so e1 = -T mod 256 is known
and so is the centre of e1: what is left is e1 = known + 256·u with u of deviation sigma/(256·sqrt 2) = 3.204. Dividing by
256 mod q gives LWE in dimension 2048 with that small error, as many samples as the attacker likes, and a uniform secret.
Every opened vector is one more exact linear equation on the key: it takes away one of the 2048 dimensions.

**Directions.** A_v is posted. With the entries of v known or guessed what is left is a_1·rho_1 + a_2·rho_2 with both parts of rho
uniform in {-8..8}: divided by a_1, an LWE sample of dimension 2048 with secret rho_2 and error rho_1. Without rho, d = 2410
parameters leave 2410 - 2048 unknown entries in the second chunk as the secret and those of the first as the error.

**Linear hash.** Other digits with the same hash differ from the honest ones by a short vector in the lattice of the 3·chunks
public polynomials. Each entry is below sum(w)·2^16 in absolute value, as digit sums are refused outside 0..sum(w)·(2^16 - 1);
the row "either sign" allows twice that. The length that the attack may reach is that bound times the root of *all* columns,
which favours the attacker: an attack on fewer columns must find a shorter vector.
"""

import argparse
import hashlib
import json
import sys
from math import sqrt
from pathlib import Path

RECORD = Path(__file__).with_name("estimates.json")
COMMIT = "27a581bb8e9d49f5e9e2db315bd48ac769d5f5f5"
# Of the package's Python files at that commit, in the order of their paths.
SOURCES_SHA256 = "da5ff78beb40d4f0650650e8f761e1176c45c8d591f6094ab2773500620a396a"

N, Q, SIGMA, MAX_WEIGHT, MAX_OPENED, MAX_BLINDING = 2048, 281474976546817, 1160, 256, 128, 8
HASH_MODULUS, DIGITS, BLINDING_CHUNKS = 1125899904679937, 3, 2
CONSTANTS = {
    "N": N,
    "Q": Q,
    "SIGMA": SIGMA,
    "MAX_WEIGHT": MAX_WEIGHT,
    "MAX_OPENED": MAX_OPENED,
    "MAX_BLINDING": MAX_BLINDING,
    "HASH_MODULUS": HASH_MODULUS,
    "BLINDING_CHUNKS": BLINDING_CHUNKS,
}
ATTACKS = ["primal_usvp", "primal_bdd", "dual", "dual_hybrid"]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--write", action="store_true", help="record the result in estimates.json")
    options = options.parse_args()
    recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {"rows": []}
    try:
        import estimator
        from sage.all import oo  # noqa: F401
    except ImportError as error:
        print(f"NOT RE-RUN: {error}. The beginning of this file says what to install and to fetch.")
        print(f"Recorded with lattice-estimator {recorded.get('estimator', '?')}, {recorded.get('sage', '?')}:")
        for row in recorded["rows"]:
            print(f"  {row['what']}: {row['bits']} bits ({row['attack']}; {row['problem']})")
        sys.exit(3)
    found = sources_sha256(Path(estimator.__file__).parent)
    if found != SOURCES_SHA256:
        print(f"NOTE: this lattice-estimator is not commit {COMMIT[:7]} (sources {found}); numbers may differ.")
        if options.write:
            sys.exit("so nothing is recorded")

    known = {row["what"]: row["bits"] for row in recorded["rows"]}
    rows = []
    for name, estimate in CASES:
        row = {"what": name, **estimate()}
        rows.append(row)
        before = known.get(name)
        note = "" if before == row["bits"] else f"  <- {before} is recorded" if before else "  <- not recorded"
        print(f"{name}: {row['bits']} bits ({row['attack']}; {row['problem']}){note}", flush=True)
    if options.write:
        record = {"estimator": f"commit {COMMIT}", "sage": sage(), "constants": CONSTANTS, "rows": rows}
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
    elif [row["bits"] for row in rows] != [known.get(row["what"]) for row in rows]:
        sys.exit("the estimates differ from what is recorded")


def sage():
    from importlib.metadata import version

    return f"passagemath {version('passagemath-standard-no-symbolics')}"


def sources_sha256(package):
    digest = hashlib.sha256()
    for file in sorted(package.glob("**/*.py")):
        digest.update(f"{file.relative_to(package)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def lwe(dimension, secret, error, samples=None, attacks=ATTACKS):
    """The best attack on LWE; distributions are ("uniform", largest), ("gaussian", deviation) or ("modular",)."""

    def estimate():
        from estimator import LWE, ND
        from estimator.lwe_parameters import LWEParameters
        from sage.all import log, oo

        def distribution(kind, size=None):
            if kind == "modular":
                return ND.Uniform(0, Q - 1)
            return ND.Uniform(-size, size) if kind == "uniform" else ND.DiscreteGaussian(size)

        instance = LWEParameters(n=dimension, q=Q, Xs=distribution(*secret), Xe=distribution(*error), m=samples or oo)
        costs = [(float(log(getattr(LWE, attack)(instance)["rop"], 2)), attack) for attack in attacks]
        bits, attack = min(costs)
        words = {"modular": "uniform mod q", "uniform": "uniform up to ±{}", "gaussian": "deviation {:.4g}"}
        describe = lambda kind, *size: words[kind].format(*size)
        problem = f"LWE, dimension {dimension}, secret {describe(*secret)}, error {describe(*error)}"
        return {"bits": round(bits, 1), "attack": attack, "problem": problem}

    return estimate


def sis(participants, parameters, factor):
    """The best attack on the linear hash of that many participants with the largest weight."""

    def estimate():
        from estimator import SIS
        from estimator.sis_parameters import SISParameters
        from sage.all import log

        columns = DIGITS * N * (-(-parameters // N) + BLINDING_CHUNKS)
        length = factor * participants * MAX_WEIGHT * 2**16 * sqrt(columns)
        instance = SISParameters(n=N, q=HASH_MODULUS, length_bound=length, m=columns, norm=2)
        bits = float(log(SIS.lattice(instance)["rop"], 2))
        problem = f"SIS, dimension {N}, {columns} columns, length 2^{float(log(length, 2)):.1f}"
        return {"bits": round(bits, 1), "attack": "lattice", "problem": problem}

    return estimate


KEY, RESIDUAL = ("modular",), ("gaussian", SIGMA / (MAX_WEIGHT * sqrt(2)))
RHO, ENTRIES = ("uniform", MAX_BLINDING), ("gaussian", 8)
CASES = [
    ("two honest, nothing opened", lwe(N, KEY, RESIDUAL)),
    ("two honest, 48 projections opened", lwe(N - 48, KEY, RESIDUAL)),
    ("two honest, 128 vectors opened", lwe(N - MAX_OPENED, KEY, RESIDUAL)),
    ("two honest, 1000 vectors opened", lwe(N - 1000, KEY, RESIDUAL)),
    # Far above the others; the wheels lack what dual_hybrid needs at this deviation.
    ("one ciphertext alone", lwe(N, KEY, ("gaussian", SIGMA), attacks=ATTACKS[:3])),
    ("direction behind its blinding", lwe(N, RHO, RHO, samples=N)),
    ("direction of 2410 entries, no blinding", lwe(2410 - N, ENTRIES, ENTRIES, samples=N)),
    ("linear hash, 1000 participants, 10^6 parameters", sis(1000, 10**6, 1)),
    ("linear hash, 1000 participants, 10^6 parameters, either sign", sis(1000, 10**6, 2)),
    ("linear hash, 100 participants, 10^8 parameters", sis(100, 10**8, 1)),
    ("linear hash, 1000 participants, 2^27 parameters", sis(1000, 2**27, 1)),
    ("linear hash, 8000 participants, 10^6 parameters", sis(8000, 10**6, 1)),
]

if __name__ == "__main__":
    main()
