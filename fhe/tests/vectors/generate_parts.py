#!/usr/bin/env python3
"""Writes vectors of single parts: packing, sharing in committees of every size, and `*_bad.json`, what must be refused.

Beside generate.py and like it: a second implementation, from the definitions. Sealing draws fresh randomness, so
`sealed_share_bad.json` differs from run to run.
"""

import struct

from generate import (
    CHUNK,
    CONTEXT,
    N,
    P,
    Q,
    XWing,
    Xof,
    context_json,
    contribution_seed,
    digits_of,
    hpke_seal,
    lagrange_at,
    linear_hash,
    linear_hash_json,
    pack,
    pack_linear_hash,
    polynomial_json,
    sha256,
    split_key,
    write,
)


def sharing_vectors():
    """Shares of the key of the contribution in contribution.json, in committees of other sizes."""
    entropy, participant = bytes([0x44] * 32), 5
    seed = contribution_seed(entropy, CONTEXT, participant, [0] * (3 * N))
    key = Xof("one-time key", seed).uniform()
    cases = []
    for seats, threshold in ((1, 1), (3, 3), (4, 3), (7, 5), (21, 15)):
        shares = split_key(key, seats, threshold, Xof("share seeds", seed))
        # Any t shares give the key, and one less does not.
        for points in (list(range(1, threshold + 1)), list(range(seats - threshold + 1, seats + 1))):
            weights = lagrange_at(points, 0)
            assert all(
                sum(w * shares[p - 1][i] for w, p in zip(weights, points)) % Q == key[i] for i in range(0, N, 97)
            )
        cases.append({"seats": seats, "threshold": threshold, "shares": [polynomial_json(share) for share in shares]})
    write(
        "sharing.json",
        {
            "context": context_json(CONTEXT),
            "parameters": 1,
            "participant": participant,
            "entropy": entropy.hex(),
            "key": polynomial_json(key),
            "cases": cases,
        },
    )


def packing_vectors():
    """Words as they stand in a chunk: the edges, and a pattern."""
    cases = []
    for what, numbers in (
        ("ascending", list(range(N))),
        ("largest", [Q - 1] * N),
        ("one bit each", [1 << i % 48 if 1 << i % 48 < Q else 0 for i in range(N)]),
        ("powers", [pow(3, i, Q) for i in range(N)]),
    ):
        packed = pack(numbers)
        cases.append(
            {
                "what": what,
                "numbers": numbers[:48],
                "head": packed[: 6 * 48].hex(),
                "sha256": sha256(packed).hex(),
                # The weighted sum of three such chunks by itself, with weight 200, and its linear hash in three chunks.
                "sum_sha256": sha256(pack(200 * x % Q for x in numbers)).hex(),
                "linear_hash": linear_hash_json(linear_hash(digits_of(packed * 3))),
            }
        )
    write("packing.json", cases)


def sealed_share_bad_vectors():
    """Shares of participant 77 in a committee of two, both needed, that must be refused, with the reason."""
    members, other = [XWing(bytes([seat] * 32)) for seat in (1, 2)], XWing(bytes([3] * 32))
    good, full = bytes(range(32)), pack(Xof("sealed share vector").uniform())
    participant = 77

    def seal(plaintext=good, to=members[0], seat=1, model=CONTEXT[2], label=b"unsilo/v1/sealed share\0", **other):
        federation, number = other.get("federation", CONTEXT[0]), other.get("number", CONTEXT[1])
        aad = federation + struct.pack("<QIH", number, other.get("who", participant), seat)
        return hpke_seal(to, label + model, aad, plaintext)

    closed = "the share of participant 77 for seat 1 does not open"
    length = lambda seat, actual: (
        f"the sealed share for seat {seat} has {(32 if seat == 1 else CHUNK) + 1136} bytes, not {actual}"
    )
    sealed = seal()
    flip = lambda at: sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
    cases = [
        (1, "sealed to another member", seal(to=other), closed),
        (1, "of another federation", seal(federation=bytes(32)), closed),
        (1, "of another round", seal(number=CONTEXT[1] + 1), closed),
        (1, "of another model", seal(model=bytes(32)), closed),
        (1, "of another participant", seal(who=78), closed),
        (1, "of another seat", seal(seat=2), closed),
        (1, "sealed for another purpose", seal(label=b"unsilo/v1/answer sheet key\0"), closed),
        (1, "a bit of the ML-KEM ciphertext flipped", flip(500), closed),
        (1, "a bit of the X25519 key flipped", flip(1100), closed),
        (1, "a bit of the share flipped", flip(1130), closed),
        (1, "a bit of the tag flipped", flip(len(sealed) - 1), closed),
        (1, "truncated", sealed[:-1], length(1, 1167)),
        (1, "oversized", sealed + b"\0", length(1, 1169)),
        (1, "empty", b"", length(1, 0)),
        (2, "a seed where a share belongs", seal(to=members[1], seat=2), length(2, 1168)),
        (
            2,
            "a coefficient that is q",
            seal(full[:60] + Q.to_bytes(6, "little") + full[66:], to=members[1], seat=2),
            "participant 77 sealed something that is no share to seat 2: "
            f"coefficient 10 is {Q}, not below the modulus {Q}",
        ),
    ]
    write(
        "sealed_share_bad.json",
        {
            "context": context_json(CONTEXT),
            "participant": participant,
            "threshold": 2,
            "secret_keys": [bytes([seat] * 32).hex() for seat in (1, 2)],
            "good": sealed.hex(),
            "cases": [
                {"seat": seat, "why": why, "sealed": sealed.hex(), "error": error} for seat, why, sealed, error in cases
            ],
        },
    )


def opening_bad_vectors():
    """Answers that must not open: the polynomial of opening.json for t = 5 and 7 seats, changed."""
    threshold = 5
    coefficients = [Xof("opening vector", struct.pack("<QQ", threshold, k)).uniform() for k in range(threshold)]

    def answer(seat):
        value = [0] * N
        for poly in reversed(coefficients):
            value = [(v * seat + c) % Q for v, c in zip(value, poly)]
        return value

    # Which seats answer, and which of them add 1 to coefficient `seat` of their answer.
    cases = [
        (
            "two liars of seven",
            range(1, 8),
            [2, 6],
            "the 7 answers contradict each other in more than 1 places: wait for more of them",
        ),
        ("fewer than the threshold", range(1, 5), [], "4 answers do not open: 5 are needed"),
        ("seat 0", [0, 1, 2, 3, 4], [], "seat 0 or threshold 5 is out of range: both lie between 1 and 21"),
        ("seat 22", [1, 2, 3, 4, 22], [], "seat 22 or threshold 5 is out of range: both lie between 1 and 21"),
        ("a seat twice", [1, 2, 3, 4, 4], [], "seat 4 answered twice"),
        (
            "one redundant answer, nothing plausible",
            range(1, 7),
            [3],
            "the answers open nothing plausible: more of them are wrong than can be located",
        ),
    ]
    write(
        "opening_bad.json",
        {
            "threshold": threshold,
            "answers": [{"seat": seat, "sha256": sha256(pack(answer(seat))).hex()} for seat in range(0, 23)],
            "cases": [
                {"why": why, "seats": list(seats), "liars": liars, "error": error} for why, seats, liars, error in cases
            ],
        },
    )


def digit_sum_bad_vectors():
    """Sums of three contributions (Xof("digit sum vector", j), weights 16, 100, 50) that are not theirs."""
    weights, chunks = [16, 100, 50], 3
    ciphertexts = [Xof("digit sum vector", struct.pack("<Q", j)).take(chunks * CHUNK) for j in range(3)]
    digits = [digits_of(ciphertext) for ciphertext in ciphertexts]
    hashes = [linear_hash(d) for d in digits]
    expected = [sum(w * h[i] for w, h in zip(weights, hashes)) % P for i in range(N)]
    altered = list(digits[1])
    altered[4321] ^= 1
    cases = []
    # The same total weight each time: another would be refused before.
    for why, terms in (
        ("honest", [(16, digits[0]), (100, digits[1]), (50, digits[2])]),
        ("one dropped, another counted for it", [(116, digits[0]), (50, digits[2])]),
        ("one doubled in place of another", [(16, digits[0]), (100, digits[1]), (50, digits[1])]),
        ("re-weighted", [(17, digits[0]), (99, digits[1]), (50, digits[2])]),
        ("one bit altered", [(16, digits[0]), (100, altered), (50, digits[2])]),
        ("negated", [(16, digits[0]), (100, [65535 - d for d in digits[1]]), (50, digits[2])]),
    ):
        sums = [sum(w * d[i] for w, d in terms) for i in range(len(digits[0]))]
        hash = linear_hash(sums)
        wire = b"".join(value.to_bytes(3, "little") for value in sums)
        cases.append(
            {
                "why": why,
                "verifies": hash == expected,
                "wire_sha256": sha256(wire).hex(),
                "linear_hash": sha256(pack_linear_hash(hash)).hex(),
            }
        )
    assert [case["verifies"] for case in cases] == [True] + [False] * 5
    write(
        "digit_sum_bad.json",
        {"weights": weights, "expected": sha256(pack_linear_hash(expected)).hex(), "cases": cases},
    )


if __name__ == "__main__":
    packing_vectors()
    sharing_vectors()
    sealed_share_bad_vectors()
    opening_bad_vectors()
    digit_sum_bad_vectors()
