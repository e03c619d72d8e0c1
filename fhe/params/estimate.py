#!/usr/bin/env python3
"""Prints the security of the parameters in src/params.rs.

Needs SageMath (or the wheels of passagemath) and lattice-estimator, commit 27a581b, on PYTHONPATH:
    git clone https://github.com/malb/lattice-estimator && git -C lattice-estimator checkout 27a581b
    PYTHONPATH=lattice-estimator python3 estimate.py

The instance: 2048-dimensional LWE with a secret uniform mod q and errors of deviation 1160, as many samples as an
attacker likes. The worst case: an attacker who knows everything but two honest participants' secrets, with weights 255
and 256, also knows the weighted sum of their keys and of their errors. That leaves one key and, of the two errors in
each coefficient, the deviation of e1 given 255·e1 + 256·e2, that is sigma·256/sqrt(255^2 + 256^2) = sigma/sqrt(2).
Every opened direction is an exact linear equation on the key: it takes away one of the 2048 dimensions.
"""

from math import sqrt

from estimator import LWE, ND
from estimator.lwe_parameters import LWEParameters
from sage.all import log, oo

N, Q, SIGMA, OPENED = 2048, 281474976546817, 1160, 128


def security(dimension, sigma):
    """Bits of the best attack of the default cost model."""
    instance = LWEParameters(n=dimension, q=Q, Xs=ND.Uniform(0, Q - 1), Xe=ND.DiscreteGaussian(sigma), m=oo)
    attacks = {
        "primal usvp": LWE.primal_usvp,
        "primal bdd": LWE.primal_bdd,
        "dual": LWE.dual,
        "dual hybrid": LWE.dual_hybrid,
    }
    return min((float(log(attack(instance)["rop"], 2)), name) for name, attack in attacks.items())


for opened in (0, OPENED):
    for what, sigma in (("alone", SIGMA), ("two honest, weights 255 and 256", SIGMA * 256 / sqrt(255**2 + 256**2))):
        bits, attack = security(N - opened, sigma)
        print(f"{opened:4} directions opened, {what}: {bits:.1f} bits ({attack})", flush=True)
