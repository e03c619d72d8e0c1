"""What the Python peers share: reading the updates, timing, and checking the result."""

import json
import sys
import time

import numpy as np

UNIT = 2.0**-14
REPETITIONS = 5


def arguments():
    """The updates in floats and in steps (one row each) and their integer weights, from the command line."""
    directory, parameters, weights = sys.argv[1:]
    weights = [int(weight) for weight in weights.split(",")]
    shape = (len(weights), int(parameters))
    floats = np.fromfile(f"{directory}/updates.f32", "<f4").reshape(shape)
    steps = np.fromfile(f"{directory}/steps.i32", "<i4").reshape(shape)
    return floats, steps, weights


def timed(work):
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


def repeat(work):
    """The last result, and the seconds of each repetition."""
    runs = [timed(work) for _ in range(REPETITIONS)]
    return runs[-1][0], [seconds for _, seconds in runs]


def row(system, settings, encrypt, serialise, total, decrypt, size, errors, member=None, answer=None):
    """One row of the table; `errors` are those of the decrypted mean, in steps."""
    return {
        "system": system,
        "settings": settings,
        "encrypt_s": encrypt,
        "serialise_s": serialise,
        "sum_s": total,
        "member_s": member,
        "decrypt_s": decrypt,
        "bytes": size,
        "answer_bytes": answer,
        "error_rms_steps": float(np.sqrt(np.mean(errors**2))),
        "error_max_steps": float(np.max(np.abs(errors))),
    }


def report(rows):
    json.dump(rows, sys.stdout)
