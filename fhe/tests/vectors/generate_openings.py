#!/usr/bin/env python3
"""Writes `projections.json`: scalar openings from the definitions alone, like `generate.py`, whose helpers it uses."""

import math
import struct

from generate import (
    CONTEXT,
    DELTA,
    N,
    Q,
    Xof,
    context_bytes,
    context_json,
    contribution_seed,
    domain_hash,
    encode,
    multiply,
    pack,
    permutation,
    sha256,
    split_key,
    vector_update,
    write,
)

PROJECTIONS = 48
CHALLENGE = bytes([0x44] * 32)
D, PARTICIPANT, SEATS, THRESHOLD = 3000, 0xA1B2C3D4, 5, 4
CHUNKS = -(-D // N) + 2


def seed_of_contribution():
    """That of `contribution.json`."""
    steps = encode(D, CONTEXT[0], vector_update(D), bytes([0x22] * 32))
    return contribution_seed(bytes([0x11] * 32), CONTEXT, PARTICIPANT, steps)


def projections(chunk):
    stream = Xof("projection", context_bytes(CONTEXT), CHALLENGE, struct.pack("<Q", chunk))
    vectors = []
    for _ in range(PROJECTIONS):
        taken = stream.take(N // 4)
        vectors.append([(taken[i % 512] >> 2 * (i // 512) & 3) for i in range(N)])
    return [[(0, 1, -1, 0)[bits] for bits in vector] for vector in vectors]


def turned(a):
    """a(1/X)."""
    return [a[0]] + [-a[N - i] % Q for i in range(1, N)]


def hidden_key(vector_chunks):
    """A_v of a vector given chunk by chunk."""
    total = [0] * N
    for chunk, v in enumerate(vector_chunks):
        a = Xof("public polynomial", context_bytes(CONTEXT), struct.pack("<Q", chunk)).uniform()
        product = multiply(a, turned([entry % Q for entry in v]))
        total = [(t + p) % Q for t, p in zip(total, product)]
    return total


def answer(key, share):
    return sum(r * s for r, s in zip(turned(key), share)) % Q


def words_json(words):
    return {"first": words[:4], "sha256": sha256(pack(words)).hex()}


def merkle_of_two(left, right):
    return domain_hash("answer node", left, right)


def sheet(seat, words):
    """The sheet of a seat that complains about participant 7 and answers on PARTICIPANT."""
    entropy = bytes([0x55] * 32)
    name = context_bytes(CONTEXT) + CHALLENGE
    salt_seed = Xof("answer sheet", entropy, name, struct.pack("<H", seat)).take(32)
    salt = lambda participant: domain_hash("answer salt", salt_seed, struct.pack("<I", participant))
    complaint = struct.pack("<IB", 7, 0) + bytes(6 * PROJECTIONS)
    answered = struct.pack("<IB", PARTICIPANT, 1) + pack(words)
    leaves = [
        domain_hash("answer leaf", salt(7), complaint),
        domain_hash("answer leaf", salt(PARTICIPANT), answered),
    ]
    root = domain_hash("answer sheet", name, struct.pack("<QHI", D, seat, 2), merkle_of_two(*leaves))
    shown = struct.pack("<H", seat) + salt(PARTICIPANT) + answered[4:] + b"\1" + leaves[0]
    return {"entropy": entropy.hex(), "seat": seat, "root": root.hex(), "shown_sha256": sha256(shown).hex()}


def direction(share):
    values = [(37 * i) % 15 - 7 for i in range(D)]
    entropy = bytes([0x33] * 32)
    entries = [0] * (CHUNKS * N)
    for value, place in zip(values, permutation(D, CONTEXT[0])):
        entries[place] = value
    stream = Xof("direction blinding", entropy, struct.pack(f"{D}b", *values))
    place = (CHUNKS - 2) * N
    while place < CHUNKS * N:
        byte = stream.take(1)[0]
        if byte < 255:
            entries[place] = byte % 17 - 8
            place += 1
    key = hidden_key([entries[i : i + N] for i in range(0, len(entries), N)])
    validator, index = 40, 1
    digest = domain_hash("direction", context_bytes(CONTEXT), struct.pack("<IB", validator, index), pack(key))
    return {
        "entropy": entropy.hex(),
        "key": words_json(key),
        "validator": validator,
        "index": index,
        "hash": digest.hex(),
        "answer": answer(key, share),
    }


def acceptance_cases():
    """The rule and the norm exponent in exact integers; some cases on the very edge."""
    cases = []
    for parameters in (1, 2410, 10**6, 2**27):
        clip = min(2**23, 2**12 * (math.isqrt(parameters - 1) + 1))
        coefficients = (-(-parameters // N) + 2) * N
        square = 9280**2 * coefficients
        noise = math.isqrt(square - 1) + 1
        bound = (6 * DELTA * clip + noise) ** 2
        largest = math.isqrt(bound // 2)
        equal = math.isqrt(132 * (DELTA * clip) ** 2 // (2 * PROJECTIONS))
        lists = [
            [0] * PROJECTIONS,
            [largest] + [0] * 47,
            [0] * 47 + [-largest - 1],
            [equal] * PROJECTIONS,
            [-equal - 1] * PROJECTIONS,
        ]
        stream = Xof("acceptance vector", struct.pack("<Q", parameters))
        for bits in (20, 25, 30, 33, 36):
            words = [int.from_bytes(stream.take(8), "little") for _ in range(PROJECTIONS)]
            lists.append([(word >> (64 - bits)) - 2 ** (bits - 1) for word in words])
        for x in lists:
            total = sum(value * value for value in x)
            if any(2 * value * value > bound for value in x):
                result = "OutOfRange"
            elif 2 * total > 132 * (DELTA * clip) ** 2:
                result = "TooLong"
            else:
                result = next(e for e in range(1000) if total**4 <= 24**4 * DELTA**8 * 2**e)
            cases.append({"parameters": parameters, "projections": x, "result": result})
    return cases


def main():
    ciphertext = Xof("projection vector").take(CHUNKS * N * 6)
    words = [int.from_bytes(ciphertext[i : i + 6], "little") % Q for i in range(0, len(ciphertext), 6)]
    vectors = [projections(chunk) for chunk in range(CHUNKS)]
    projected = [
        sum(v * word for chunk in range(CHUNKS) for v, word in zip(vectors[chunk][k], words[chunk * N :])) % Q
        for k in range(PROJECTIONS)
    ]
    seed = seed_of_contribution()
    key = Xof("one-time key", seed).uniform()
    shares = split_key(key, SEATS, THRESHOLD, Xof("share seeds", seed))
    keys = [hidden_key([vectors[chunk][k] for chunk in range(CHUNKS)]) for k in range(PROJECTIONS)]
    seat = 5
    answers = [answer(key, shares[seat - 1]) for key in keys]
    write(
        "projections.json",
        {
            "context": context_json(CONTEXT),
            "challenge": CHALLENGE.hex(),
            "parameters": D,
            "projected": projected,
            "sheet": sheet(seat, answers),
            "direction": direction(shares[seat - 1]),
            "acceptance": acceptance_cases(),
        },
    )


if __name__ == "__main__":
    main()
