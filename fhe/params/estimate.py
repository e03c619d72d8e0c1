#!/usr/bin/env python3
"""Prints the security of the parameters in src/params.rs.

Needs SageMath (or the wheels passagemath-standard-no-symbolics and passagemath-symbolics) and lattice-estimator:
    git clone https://github.com/malb/lattice-estimator && git -C lattice-estimator checkout 27a581b
    PYTHONPATH=lattice-estimator python3 estimate.py

The worst case: the attacker knows everything but the secrets of two honest participants with weights 255 and 256, and
sees the sum of their keys opened. Then it also has T = 255·e1 + 256·e2 for every coefficient, so e1 = -T mod 256 is known
and so is the centre of e1: what is left is e1 = known + 256·u with u of deviation sigma/(256·sqrt 2) = 3.204. Dividing by
256 mod q gives LWE in dimension 2048 with that small error, as many samples as the attacker likes, and a uniform secret.
Every opened direction is one more exact linear equation on the key: it takes away one of the 2048 dimensions.
"""

from math import sqrt

from estimator import LWE, ND
from estimator.lwe_parameters import LWEParameters
from sage.all import log, oo

N, Q, SIGMA, MAX_WEIGHT = 2048, 281474976546817, 1160, 256
RESIDUAL = SIGMA / (MAX_WEIGHT * sqrt(2))

ATTACKS = ["primal_usvp", "primal_bdd", "dual", "dual_hybrid"]
CASES = [
    ("two honest, no direction opened", N, RESIDUAL, ATTACKS),
    ("two honest, 128 directions opened", N - 128, RESIDUAL, ATTACKS),
    # Far above the others; the wheels lack what dual_hybrid needs at this deviation.
    ("one ciphertext alone", N, SIGMA, ATTACKS[:3]),
]

for what, dimension, sigma, attacks in CASES:
    instance = LWEParameters(n=dimension, q=Q, Xs=ND.Uniform(0, Q - 1), Xe=ND.DiscreteGaussian(sigma), m=oo)
    bits, attack = min((float(log(getattr(LWE, attack)(instance)["rop"], 2)), attack) for attack in attacks)
    print(f"{what}: {bits:.1f} bits ({attack}, error deviation {sigma:.4g})", flush=True)
