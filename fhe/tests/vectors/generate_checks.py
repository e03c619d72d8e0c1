#!/usr/bin/env python3
"""Writes the vectors of the checks: projections, members' sheets and judgements, and sheets that must be refused.

Beside generate.py and like it: a second implementation, from the definitions. Nothing is transposed here that the definition
does not ask for: an answer y is <a_b·f_j(i), r_b> summed over the chunks, products of polynomials and all. Sealing draws fresh
randomness, so the sealed parts differ from run to run.
"""

import copy
import struct
from fractions import Fraction
from math import isqrt

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from generate import (
    CONTEXT,
    DELTA,
    N,
    Q,
    XWing,
    Xof,
    context_bytes,
    context_json,
    domain_hash,
    hpke_seal,
    lagrange_at,
    multiply,
    pack,
    split_key,
    write,
)

K = 48
CHALLENGE = bytes(range(200, 232))
D = 2100
CHUNKS = -(-D // N) + 2
CLIP = min(2**23, 2**12 * (isqrt(D - 1) + 1))


def public_polynomials():
    context = context_bytes(CONTEXT)
    return [Xof("public polynomial", context, struct.pack("<Q", b)).uniform() for b in range(CHUNKS)]


def projections():
    """r[k][b], the entries of projection k in chunk b."""
    chunks = []
    for b in range(CHUNKS):
        xof = Xof("projection", context_bytes(CONTEXT), CHALLENGE, struct.pack("<Q", b))
        vectors = []
        for _ in range(K):
            stream = xof.take(N // 4)
            bits = [stream[i % 512] >> (2 * (i // 512)) & 3 for i in range(N)]
            vectors.append([(0, 1, -1, 0)[two] for two in bits])
        chunks.append(vectors)
    return [[chunk[k] for chunk in chunks] for k in range(K)]


A = public_polynomials()
R = projections()


def centred(x):
    return x - Q if x > Q // 2 else x


def inner(vector, chunks):
    """<v, c> mod q over all chunks."""
    return sum(v * c for entries, chunk in zip(vector, chunks) for v, c in zip(entries, chunk)) % Q


def masks(key):
    """a_b·key for each chunk."""
    return [multiply(a, key) for a in A]


def encrypt(steps, key, errors):
    return [
        [(p + e + DELTA * m) % Q for p, e, m in zip(mask, errors.errors(), steps[b * N :][:N])]
        for b, mask in enumerate(masks(key))
    ]


def norm_exponent(x):
    """The least e with sqrt(2·mean x^2)/Delta <= 2^(e/8), exactly."""
    nu_squared = Fraction(2 * sum(v * v for v in x), K * DELTA**2)
    e = 0
    while nu_squared**4 > 2**e:
        e += 1
    return e


def judged(x):
    """The rule for one contribution whose answers agree."""
    # 6·Delta·C/sqrt 2 + 8·sigma·sqrt(D/2), squared and doubled; sqrt D rounded up with its factor.
    noise = isqrt(9280**2 * N * CHUNKS - 1) + 1
    if any(2 * v * v > (6 * DELTA * CLIP + noise) ** 2 for v in x):
        return "OutOfRange"
    if 2 * sum(v * v for v in x) > 132 * (DELTA * CLIP) ** 2:
        return "TooLong"
    return norm_exponent(x)


class Dealer:
    """A participant that encrypts `steps` and deals shares of `dealt`, usually its own key."""

    def __init__(self, participant, norm, members, threshold, deal=None, patch=None):
        self.participant = participant
        xof = Xof("check vector update", struct.pack("<I", participant))
        size = round(norm * CLIP / isqrt(D))
        steps = [size if byte & 1 else -size for byte in xof.take(D)]
        self.steps = steps + [0] * (CHUNKS * N - D)
        self.key = Xof("check vector key", struct.pack("<I", participant)).uniform()
        self.ciphertext = encrypt(self.steps, self.key, Xof("check vector errors", struct.pack("<I", participant)))
        if patch:
            patch(self.ciphertext)
        dealt = self.key if deal is None else deal
        self.shares = split_key(dealt, members, threshold, Xof("check vector shares", struct.pack("<I", participant)))
        self.row = [inner(vector, self.ciphertext) for vector in R]

    def answers(self, seat):
        mask = masks(self.shares[seat - 1])
        return [inner(vector, mask) for vector in R]

    def sketch(self):
        mask = masks(self.key)
        return [centred((x - inner(vector, mask)) % Q) for x, vector in zip(self.row, R)]


def words(values):
    return b"".join(value.to_bytes(6, "little") for value in values)


def seal_sheet(seat, lines, to, recipient):
    """A sheet on `lines` (participant, answers or None), sealed to one recipient."""
    salt_seed = Xof("check vector salts", struct.pack("<H", seat)).take(32)
    entries = [
        struct.pack("<IB", participant, answers is not None) + words(answers or [0] * K)
        for participant, answers in lines
    ]
    leaves = [
        domain_hash("answer leaf", domain_hash("answer salt", salt_seed, struct.pack("<I", participant)), entry)
        for (participant, _), entry in zip(lines, entries)
    ]

    def tree(leaves):
        if len(leaves) == 1:
            return leaves[0]
        left = 1 << (len(leaves) - 1).bit_length() - 1
        return domain_hash("answer node", tree(leaves[:left]), tree(leaves[left:]))

    root = domain_hash(
        "answer sheet",
        context_bytes(CONTEXT),
        CHALLENGE,
        struct.pack("<QHI", D, seat, len(lines)),
        tree(leaves),
    )
    key = Xof("check vector sheet key", struct.pack("<H", seat)).take(32)
    sheet = ChaCha20Poly1305(key).encrypt(bytes(12), salt_seed + b"".join(entries), root)
    info = b"unsilo/v1/answer sheet key\0" + CONTEXT[2] + CHALLENGE
    aad = CONTEXT[0] + struct.pack("<QHH", CONTEXT[1], seat, recipient) + root
    return {"seat": seat, "root": root.hex(), "sheet": sheet.hex(), "key": hpke_seal(to, info, aad, key).hex()}


def table(dealers):
    return b"".join(struct.pack("<I", dealer.participant) + words(dealer.row) for dealer in dealers)


def check_case(what, members, threshold, dealers, lies=(), unusable=(), by=1, located=True):
    """All members but the last answer, the last reads. `lies` and `unusable` are (participant, seat); lies are off by `by`."""
    reader = XWing(bytes([members] * 32))
    sheets = []
    for seat in range(1, members):
        lines = []
        for dealer in dealers:
            answers = dealer.answers(seat)
            if (dealer.participant, seat) in lies:
                answers[7] = (answers[7] + by) % Q
            if (dealer.participant, seat) in unusable:
                answers = None
            lines.append((dealer.participant, answers))
        sheets.append(seal_sheet(seat, lines, reader, members))
    packed = table(dealers)
    accepted, rejected, bad_pairs, sketches = [], [], sorted([*lies, *unusable]), []
    for dealer in dealers:
        answered = {seat: dealer.answers(seat) for seat in range(1, members)}
        if any(participant == dealer.participant for participant, _ in bad_pairs):
            rejected.append([dealer.participant, "BadPair" if located else "Undecodable"])
            continue
        # Decoded from the first `threshold` seats.
        points = list(range(1, threshold + 1))
        weights = lagrange_at(points, 0)
        hidden = [sum(w * answered[seat][k] for w, seat in zip(weights, points)) % Q for k in range(K)]
        x = [centred((a - b) % Q) for a, b in zip(dealer.row, hidden)]
        verdict = judged(x)
        if isinstance(verdict, str):
            rejected.append([dealer.participant, verdict])
        else:
            assert x == dealer.sketch()
            accepted.append([dealer.participant, verdict])
            sketches.append([dealer.participant, x[:4]])
    weights = [[participant, 16 + 10 * i] for i, (participant, _) in enumerate(accepted)]
    by_number = {dealer.participant: dealer for dealer in dealers}
    summed = [sum(w * by_number[j].row[k] for j, w in weights) % Q for k in range(K)]
    key_sum = [sum(w * by_number[j].key[i] for j, w in weights) % Q for i in range(N)]
    return {
        "what": what,
        "members": members,
        "threshold": threshold,
        "secret_keys": [bytes([seat] * 32).hex() for seat in range(1, members + 1)],
        "table": packed.hex(),
        "table_hash": domain_hash("projection table", packed).hex(),
        "sheets": sheets,
        "accepted": accepted,
        "rejected": rejected,
        "bad_pairs": [list(pair) for pair in bad_pairs] if located else [],
        "sketches": sketches,
        "weights": weights,
        "projections_of_sum": words(summed).hex(),
        # 12 KiB: once.
        "key_sum": pack(key_sum).hex() if what == "honest" else None,
    }


def wrap_around(ciphertext):
    """Two coordinates of (q-1)/2: any ±1 test sees their sum vanish or pass, {-1, 0, 0, 1} does not."""
    for i in (5, 6):
        ciphertext[0][i] = (ciphertext[0][i] + (Q - 1) // 2) % Q


def check_vectors():
    def dealers(members, threshold, special=()):
        made = [Dealer(3, 0.5, members, threshold), Dealer(8, 0.99, members, threshold)]
        return made + [make(members, threshold) for make in special]

    too_long = lambda m, t: Dealer(19, 2.2, m, t)
    far_too_long = lambda m, t: Dealer(20, 4, m, t)
    wrapped = lambda m, t: Dealer(21, 0.5, m, t, patch=wrap_around)
    other_key = lambda m, t: Dealer(22, 0.5, m, t, deal=Xof("check vector other key").uniform())
    honest = lambda m, t: Dealer(23, 0.1, m, t)
    cases = [
        check_case("honest", 5, 4, dealers(5, 4)),
        check_case("norm, wrap-around and key", 6, 4, dealers(6, 4, [too_long, far_too_long, wrapped, other_key])),
        check_case("a lie that is located", 8, 5, dealers(8, 5, [honest]), lies=[(23, 3)]),
        check_case("a lie found by leaving one out", 6, 4, dealers(6, 4, [honest]), lies=[(23, 5)], by=12345678901234),
        # A small one leaves something in range whoever is left out: nobody is blamed.
        check_case("a small lie", 6, 4, dealers(6, 4, [honest]), lies=[(23, 5)], located=False),
        check_case("a share that did not open", 8, 5, dealers(8, 5, [honest]), unusable=[(23, 2)]),
    ]
    write(
        "check.json",
        {"context": context_json(CONTEXT), "challenge": CHALLENGE.hex(), "parameters": D, "cases": cases},
    )
    sheet_bad_vectors(cases[0])


def sheet_bad_vectors(good):
    """Sheets that must be refused: `seat` 1's of the honest round, changed."""
    reader, members = XWing(bytes([5] * 32)), 5
    dealers = [Dealer(3, 0.5, 5, 4), Dealer(8, 0.99, 5, 4)]
    lines = [(dealer.participant, dealer.answers(1)) for dealer in dealers]

    def changed(change):
        other = copy.deepcopy(lines)
        change(other)
        return seal_sheet(1, other, reader, members)

    def word(value):
        def change(lines):
            lines[1][1][47] = value

        return change

    def with_root(sheet, root):
        return {**sheet, "root": root}

    honest = good["sheets"][0]
    other_recipient = seal_sheet(1, lines, reader, 4)
    cases = [
        ("a word that is q", changed(word(Q)), f"the sheet of seat 1 holds no 48 numbers below {Q} for participant 8"),
        (
            "participants swapped",
            changed(lambda lines: lines.reverse()),
            "the sheet of seat 1 has participant 8 where 3 belongs",
        ),
        ("a line missing", changed(lambda lines: lines.pop()), "the sheet of seat 1 has 634 bytes, not 341"),
        (
            "sealed to another recipient",
            other_recipient,
            "the key of seat 1's sheet does not open for seat 5",
        ),
        (
            "under the root of another sheet",
            with_root(honest, good["sheets"][1]["root"]),
            "the key of seat 1's sheet does not open for seat 5",
        ),
        (
            "of another seat",
            {**good["sheets"][1], "seat": 1},
            "the key of seat 1's sheet does not open for seat 5",
        ),
        (
            "a bit of the sheet flipped",
            {**honest, "sheet": ("00" if honest["sheet"][:2] != "00" else "01") + honest["sheet"][2:]},
            "the sheet of seat 1 does not open with its key",
        ),
        ("no sheet", {**honest, "sheet": ""}, "the sheet of seat 1 has 634 bytes, not 0"),
        (
            "no key",
            {**honest, "key": ""},
            "the key of seat 1's sheet does not open for seat 5",
        ),
        (
            "sealed with its key, answers of another root",
            swap_root(lines, reader),
            "the sheet of seat 1 is not the one under its signed root",
        ),
    ]
    write(
        "sheet_bad.json",
        [{"why": why, **sheet, "error": error} for why, sheet, error in cases],
    )


def swap_root(lines, reader):
    """Everything opens, under the root of other answers."""
    other = copy.deepcopy(lines)
    other[0][1][0] = (other[0][1][0] + 1) % Q
    root = bytes.fromhex(seal_sheet(1, other, reader, 5)["root"])
    honest = seal_sheet(1, lines, reader, 5)
    key = Xof("check vector sheet key", struct.pack("<H", 1)).take(32)
    plaintext = ChaCha20Poly1305(key).decrypt(bytes(12), bytes.fromhex(honest["sheet"]), bytes.fromhex(honest["root"]))
    info = b"unsilo/v1/answer sheet key\0" + CONTEXT[2] + CHALLENGE
    aad = CONTEXT[0] + struct.pack("<QHH", CONTEXT[1], 1, 5) + root
    return {
        "seat": 1,
        "root": root.hex(),
        "sheet": ChaCha20Poly1305(key).encrypt(bytes(12), plaintext, root).hex(),
        "key": hpke_seal(reader, info, aad, key).hex(),
    }


if __name__ == "__main__":
    check_vectors()
