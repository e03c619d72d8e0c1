"""The peer TenSEAL (CKKS of Microsoft SEAL) in `run`: `tenseal_ckks.py DIRECTORY PARAMETERS WEIGHTS`."""

import numpy as np
import tenseal as ts
from measure import UNIT, arguments, repeat, report, row, timed

# The usual three primes with room for a product at scale 2^40, and the smallest parameters that do this job: one prime
# for data, and a scale at which the weighted mean still comes out within a fraction of a step.
PARAMETERS = [(8192, [60, 40, 60], 40), (4096, [54, 55], 26)]
KEYS = [
    ("one public key", ts.ENCRYPTION_TYPE.ASYMMETRIC),
    ("one secret key for all", ts.ENCRYPTION_TYPE.SYMMETRIC),
]


def measure(floats, weights, degree, primes, scale, what, key):
    context = ts.context(ts.SCHEME_TYPE.CKKS, degree, -1, primes, key, n_threads=1)
    context.global_scale = 2.0**scale
    # A sum needs none of these.
    context.auto_rescale = context.auto_relin = context.auto_mod_switch = False
    slots, parameters, total = degree // 2, floats.shape[1], sum(weights)

    encrypt, serialise, size, ciphertexts = [], [], 0, []
    for update in floats:
        chunks = [update[i : i + slots].astype("f8") for i in range(0, parameters, slots)]
        ciphertext, seconds = timed(lambda: [ts.ckks_vector(context, chunk) for chunk in chunks])
        encrypt.append(seconds)
        packed, seconds = timed(lambda: [chunk.serialize() for chunk in ciphertext])
        serialise.append(seconds)
        size = sum(map(len, packed))
        ciphertexts.append(ciphertext)

    def weighted_sum():
        sums = []
        for chunks in zip(*ciphertexts):
            terms = (chunk * (weight / total) for chunk, weight in zip(chunks, weights))
            acc = next(terms)
            for term in terms:
                acc += term
            sums.append(acc)
        return sums

    sums, sum_seconds = repeat(weighted_sum)
    mean, decrypt = repeat(lambda: [chunk.decrypt() for chunk in sums])
    exact = np.average(floats.astype("f8"), axis=0, weights=weights)
    errors = (np.concatenate(mean) - exact) / UNIT
    settings = f"N={degree}, primes {primes}, scale 2^{scale}, {slots} slots, SEAL"
    return row(f"TenSEAL CKKS {degree}, {what}", settings, encrypt, serialise, sum_seconds, decrypt, size, errors)


floats, _, weights = arguments()
report([measure(floats, weights, *parameters, *key) for parameters in PARAMETERS for key in KEYS])
