#!/usr/bin/env python3
"""Writes the test vectors beside this file: a second implementation, from the definitions alone.

Needs Python 3.11 and the package `cryptography` (AES, ML-KEM-768, X25519, ChaCha20-Poly1305); sealing draws fresh
randomness, so `sealed_share.json` differs from run to run, the others do not.
"""

import hashlib
import hmac
import json
import math
import struct
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

HERE = Path(__file__).parent
N, Q, DELTA, SIGMA = 2048, 281474976546817, 1024, 1160
P = 1125899904679937
CHUNK = 6 * N


def write(name, value):
    (HERE / name).write_text(json.dumps(value, indent=1) + "\n")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def domain_hash(what, *parts):
    return sha256(b"unsilo/v1/" + what.encode() + b"\0", *parts)


class Xof:
    """AES-128 in counter mode; key and first counter are the halves of the domain-separated hash."""

    def __init__(self, what, *parts):
        digest = domain_hash(what, *parts)
        self.stream = Cipher(algorithms.AES(digest[:16]), modes.CTR(digest[16:])).encryptor()

    def take(self, length):
        return self.stream.update(bytes(length))

    def uniform(self):
        """N numbers mod q from 48-bit words, those that are too large left out."""
        numbers = []
        while len(numbers) < N:
            word = int.from_bytes(self.take(6), "little")
            if word < Q:
                numbers.append(word)
        return numbers

    def residues(self):
        """N numbers mod p from the low 50 bits of 64-bit words, those that are too large left out."""
        numbers = []
        while len(numbers) < N:
            word = int.from_bytes(self.take(8), "little") & (2**50 - 1)
            if word < P:
                numbers.append(word)
        return numbers

    def errors(self):
        """N rounded Gaussians, in pairs from a radius of 64 and an angle of 32 bits; the radii come first."""
        radii = struct.unpack(f"<{N // 2}Q", self.take(4 * N))
        angles = struct.unpack(f"<{N // 2}I", self.take(2 * N))
        firsts, seconds = [], []
        for radius, angle in zip(radii, angles):
            u = 1 - (radius >> 12) / 2**52 * (1 - math.exp(-32))
            length = SIGMA * math.sqrt(-2 * math.log(u))
            x = angle % 2**30
            if x >= 2**29:
                x -= 2**30
            theta = math.pi / 2 * x / 2**30
            values = [math.cos(theta) * (-1) ** (angle >> 30 & 1), math.sin(theta)]
            if angle >> 31:
                values.reverse()
            firsts.append(round(length * values[0]))
            seconds.append(round(length * values[1]))
        return firsts + seconds


def pack(numbers):
    return b"".join(number.to_bytes(6, "little") for number in numbers)


def multiply(a, b, modulus=Q):
    """Product in Z_modulus[X]/(X^N + 1), by one product of large integers."""
    size = 14
    join = lambda poly: int.from_bytes(b"".join(c.to_bytes(size, "little") for c in poly), "little")
    product = (join(a) * join(b)).to_bytes(2 * N * size, "little")
    full = [int.from_bytes(product[i * size :][:size], "little") for i in range(2 * N)]
    return [(full[i] - full[N + i]) % modulus for i in range(N)]


def lagrange_at(points, at):
    weights = []
    for i in points:
        top, bottom = 1, 1
        for j in points:
            if j != i:
                top, bottom = top * (at - j) % Q, bottom * (i - j) % Q
        weights.append(top * pow(bottom, -1, Q) % Q)
    return weights


def context_bytes(context):
    federation, round_number, model = context
    return federation + struct.pack("<Q", round_number) + model


def context_json(context):
    return {"federation": context[0].hex(), "round": context[1], "model": context[2].hex()}


CONTEXT = (bytes(range(32)), 0x0102030405060708, bytes(range(100, 132)))


def polynomial_json(numbers):
    return {"first": numbers[:4], "sha256": sha256(pack(numbers)).hex()}


def xof_vectors():
    streams = []
    for what, parts in [("vector", []), ("vector", [b"\0"]), ("another vector", [b"abc", bytes(40)])]:
        taken = Xof(what, *parts).take(100_003)
        streams.append(
            {
                "what": what,
                "parts": [part.hex() for part in parts],
                "head": taken[:48].hex(),
                "length": len(taken),
                "sha256": sha256(taken).hex(),
            }
        )
    uniform = []
    # The stream of 723930 has a word that is rejected among its first 2048.
    for number in (0, 723930):
        numbers = Xof("rejection vector", struct.pack("<Q", number)).uniform()
        uniform.append({"number": number, **polynomial_json(numbers)})
    public = []
    for chunk in (0, 1, 70_000):
        numbers = Xof("public polynomial", context_bytes(CONTEXT), struct.pack("<Q", chunk)).uniform()
        public.append({"chunk": chunk, **polynomial_json(numbers)})
    write(
        "xof.json",
        {"streams": streams, "uniform": uniform, "context": context_json(CONTEXT), "public_polynomials": public},
    )


def error_vectors():
    xof = Xof("error vector")
    chunks = [xof.errors() for _ in range(3)]
    write(
        "errors.json",
        [{"first": e[:8], "sha256": sha256(struct.pack(f"<{N}i", *e)).hex()} for e in chunks],
    )


def permutation(d, federation):
    xof = Xof("permutation", federation, struct.pack("<Q", d))
    places = list(range(d))
    for top in range(d - 1, 0, -1):
        choice = int.from_bytes(xof.take(8), "little") * (top + 1) >> 64
        places[top], places[choice] = places[choice], places[top]
    return places


def vector_update(d):
    """In units of 2^-20; a step is 2^-14."""
    update = [(i * 7919) % 2003 - 1001 for i in range(d)]
    update[7], update[8] = 5 << 20, -5 << 20  # saturate
    return update


def encode(d, federation, update, rounding_seed):
    steps = [0] * (-(-d // N) * N + 2 * N)
    rounding = Xof("stochastic rounding", rounding_seed)
    for value, place in zip(update, permutation(d, federation)):
        word = int.from_bytes(rounding.take(4), "little")
        clamped = max(-32767 * 64, min(32767 * 64, value))
        steps[place] = (clamped * 2**26 + word) >> 32
    return steps


def split_key(key, seats, threshold, stream):
    seeds = [stream.take(32) for _ in range(threshold - 1)]
    values = [key] + [Xof("key share", seed).uniform() for seed in seeds]
    shares = values[1:]
    for seat in range(threshold, seats + 1):
        weights = lagrange_at(range(threshold), seat)
        shares.append([sum(w * v[i] for w, v in zip(weights, values)) % Q for i in range(N)])
    return shares


def message_hash(entropy, steps):
    """NH of each chunk in four sums, the key shifted by two words for each."""
    words = struct.unpack(f"<{len(steps) // 2}I", struct.pack(f"<{len(steps)}h", *steps))
    key = struct.unpack(f"<{N // 2 + 6}I", Xof("message hash key", entropy).take(2 * N + 24))
    hashes = b""
    for start in range(0, len(words), N // 2):
        for j in range(4):
            factors = [(words[start + i] + key[i + 2 * j]) % 2**32 for i in range(N // 2)]
            total = sum(factors[i] * factors[i + 1] for i in range(0, N // 2, 2))
            hashes += struct.pack("<Q", total % 2**64)
    return hashes


def contribution_seed(entropy, context, participant, steps):
    """What everything secret in a contribution is made from."""
    return domain_hash(
        "contribution seed",
        entropy,
        context_bytes(context),
        struct.pack("<I", participant),
        message_hash(entropy, steps),
    )


def contribution_vectors():
    d, participant, seats, threshold = 3000, 0xA1B2C3D4, 5, 4
    entropy, rounding_seed = bytes([0x11] * 32), bytes([0x22] * 32)
    steps = encode(d, CONTEXT[0], vector_update(d), rounding_seed)
    packed_steps = struct.pack(f"<{len(steps)}h", *steps)
    seed = contribution_seed(entropy, CONTEXT, participant, steps)
    key = Xof("one-time key", seed).uniform()
    errors = Xof("errors", seed)
    ciphertext = b""
    for k in range(len(steps) // N):
        a = Xof("public polynomial", context_bytes(CONTEXT), struct.pack("<Q", k)).uniform()
        e, m = errors.errors(), steps[k * N :][:N]
        ciphertext += pack([(p + e[i] + DELTA * m[i]) % Q for i, p in enumerate(multiply(a, key))])
    shares = split_key(key, seats, threshold, Xof("share seeds", seed))
    seal_seeds = Xof("seal seeds", seed)
    write(
        "contribution.json",
        {
            "context": context_json(CONTEXT),
            "parameters": d,
            "participant": participant,
            "seats": seats,
            "threshold": threshold,
            "entropy": entropy.hex(),
            "rounding_seed": rounding_seed.hex(),
            "steps_sha256": sha256(packed_steps).hex(),
            "ciphertext_sha256": sha256(ciphertext).hex(),
            "chunks_root": merkle(ciphertext).hex(),
            "linear_hash": linear_hash_json(linear_hash(digits_of(ciphertext))),
            "key": polynomial_json(key),
            "shares": [polynomial_json(share) for share in shares],
            "seal_seeds": [seal_seeds.take(32).hex() for _ in range(seats)],
        },
    )


def merkle(ciphertext):
    """Recursive, as RFC 6962 defines it."""

    def tree(leaves):
        if len(leaves) == 1:
            return leaves[0]
        left = 1 << (len(leaves) - 1).bit_length() - 1
        return domain_hash("chunk node", tree(leaves[:left]), tree(leaves[left:]))

    return tree([domain_hash("chunk leaf", ciphertext[i : i + CHUNK]) for i in range(0, len(ciphertext), CHUNK)])


def linear_hash(digits):
    """Of chunks of 3·N digits, the three of a coefficient side by side."""
    total = [0] * N
    for k in range(len(digits) // (3 * N)):
        stream = Xof("linear hash", struct.pack("<Q", k))
        for b in range(3):
            product = multiply(stream.residues(), digits[3 * N * k + b : 3 * N * (k + 1) : 3], P)
            total = [(t + x) % P for t, x in zip(total, product)]
    return total


def digits_of(ciphertext):
    return list(struct.unpack(f"<{len(ciphertext) // 2}H", ciphertext))


def pack_linear_hash(hash):
    return sum(c << (50 * i) for i, c in enumerate(hash)).to_bytes(50 * N // 8, "little")


def linear_hash_json(hash):
    return {"first": hash[:4], "sha256": sha256(pack_linear_hash(hash)).hex()}


def digit_sum_vectors():
    """Weighted digit sums of the ciphertexts Xof("digit sum vector", j), words as they come."""
    cases = []
    for weights in ([1], [16, 256, 100], [255] * 5):
        chunks = 3
        ciphertexts = [Xof("digit sum vector", struct.pack("<Q", j)).take(chunks * CHUNK) for j in range(len(weights))]
        digits = [digits_of(ciphertext) for ciphertext in ciphertexts]
        sums = [sum(w * d for w, d in zip(weights, column)) for column in zip(*digits)]
        hashes = [linear_hash(d) for d in digits]
        combined = [sum(w * c for w, c in zip(weights, column)) % P for column in zip(*hashes)]
        assert combined == linear_hash(sums)
        width = 3 if sum(weights) <= 256 else 4
        wire = b"".join(value.to_bytes(width, "little") for value in sums)
        words = [sums[i] + (sums[i + 1] << 16) + (sums[i + 2] << 32) for i in range(0, len(sums), 3)]
        cases.append(
            {
                "weights": weights,
                "linear_hashes": [linear_hash_json(hash) for hash in hashes],
                "combined": linear_hash_json(combined),
                "digest": domain_hash("linear hash digest", pack_linear_hash(combined)).hex(),
                "wire_bytes": len(wire),
                "wire_sha256": sha256(wire).hex(),
                "ciphertext_sha256": sha256(pack(word % Q for word in words)).hex(),
            }
        )
    write("digit_sum.json", cases)


def commitment_vectors():
    cases = []
    for parameters in (1, 2048, 2049, 9 * 2048):
        length = (-(-parameters // N) + 2) * CHUNK
        ciphertext = Xof("commitment vector", struct.pack("<Q", parameters)).take(length)
        sealed = [b"", b"one", bytes(1000)]
        share_hashes = [domain_hash("sealed share", share) for share in sealed]
        shares_hash = domain_hash("sealed shares", struct.pack("<Q", len(sealed)), *share_hashes)
        digest = domain_hash("linear hash digest", pack_linear_hash(linear_hash(digits_of(ciphertext))))
        root = domain_hash(
            "contribution",
            context_bytes(CONTEXT),
            struct.pack("<IQ", 9, parameters),
            merkle(ciphertext),
            shares_hash,
            digest,
        )
        cases.append(
            {
                "parameters": parameters,
                "participant": 9,
                "sealed_shares": [share.hex() for share in sealed],
                "chunks_root": merkle(ciphertext).hex(),
                "shares_hash": shares_hash.hex(),
                "linear_hash": digest.hex(),
                "root": root.hex(),
            }
        )
    write("commitment.json", {"context": context_json(CONTEXT), "cases": cases})


class XWing:
    """X-Wing (draft-connolly-cfrg-xwing-kem): ML-KEM-768 and X25519."""

    def __init__(self, seed):
        expanded = hashlib.shake_256(seed).digest(96)
        self.m = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        self.x = x25519.X25519PrivateKey.from_private_bytes(expanded[64:])
        self.x_public = self.x.public_key().public_bytes_raw()
        self.public = self.m.public_key().public_bytes_raw() + self.x_public

    def encapsulate(self):
        m_secret, m_cipher = self.m.public_key().encapsulate()
        ephemeral = x25519.X25519PrivateKey.generate()
        x_cipher = ephemeral.public_key().public_bytes_raw()
        x_secret = ephemeral.exchange(self.x.public_key())
        secret = hashlib.sha3_256(m_secret + x_secret + x_cipher + self.x_public + b"\\.//^\\").digest()
        return secret, m_cipher + x_cipher


def hpke_seal(to, info, aad, plaintext):
    """RFC 9180, base mode, single shot: X-Wing (0x647a), HKDF-SHA256 (1), ChaCha20-Poly1305 (3)."""
    suite = b"HPKE" + struct.pack(">HHH", 0x647A, 1, 3)
    mac = lambda key, data: hmac.digest(key, data, "sha256")
    extract = lambda salt, label, ikm: mac(salt, b"HPKE-v1" + suite + label + ikm)

    def expand(prk, label, data, length):
        labeled = struct.pack(">H", length) + b"HPKE-v1" + suite + label + data
        return mac(prk, labeled + b"\x01")[:length]

    shared, encapsulated = to.encapsulate()
    schedule = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", b"")
    key, nonce = expand(secret, b"key", schedule, 32), expand(secret, b"base_nonce", schedule, 12)
    return encapsulated + ChaCha20Poly1305(key).encrypt(nonce, plaintext, aad)


def sealed_share_vectors():
    participant, threshold = 77, 2
    members = [XWing(bytes([seat] * 32)) for seat in (1, 2)]
    full = Xof("sealed share vector").uniform()
    cases = []
    for seat, plaintext, value in (
        (1, bytes(range(32)), Xof("key share", bytes(range(32))).uniform()),
        (2, pack(full), full),
    ):
        aad = CONTEXT[0] + struct.pack("<QIH", CONTEXT[1], participant, seat)
        info = b"unsilo/v1/sealed share\0" + CONTEXT[2]
        sealed = hpke_seal(members[seat - 1], info, aad, plaintext)
        cases.append({"seat": seat, "sealed": sealed.hex(), "share": polynomial_json(value)})
    write(
        "sealed_share.json",
        {
            "context": context_json(CONTEXT),
            "participant": participant,
            "threshold": threshold,
            "secret_keys": [bytes([seat] * 32).hex() for seat in (1, 2)],
            "public_keys_sha256": [sha256(member.public).hex() for member in members],
            "cases": cases,
        },
    )


def opening_vectors():
    cases = []
    for seats, threshold, liars in ((3, 3, []), (4, 3, []), (5, 4, []), (7, 5, [4]), (21, 15, [2, 11, 20])):
        coefficients = [
            Xof("opening vector", struct.pack("<QQ", threshold, k)).uniform() for k in range(threshold)
        ]
        answers = []
        for seat in range(1, seats + 1):
            value = [0] * N
            for poly in reversed(coefficients):
                value = [(v * seat + c) % Q for v, c in zip(value, poly)]
            if seat in liars:
                value[seat] = (value[seat] + 1) % Q
            answers.append({"seat": seat, "sha256": sha256(pack(value)).hex()})
        cases.append(
            {
                "threshold": threshold,
                "liars": liars,
                "answers": answers,
                "key_sum": polynomial_json(coefficients[0]),
            }
        )
    write("opening.json", cases)


def refused_vectors():
    """Bytes that must be refused: `length` zeros with `patch` = [offset, hex] written over them."""
    q = Q.to_bytes(6, "little").hex()
    write(
        "refused.json",
        {
            "polynomial": [
                {"why": "empty", "length": 0, "error": "a polynomial has 12288 bytes, not 0"},
                {"why": "truncated", "length": CHUNK - 1, "error": "a polynomial has 12288 bytes, not 12287"},
                {"why": "oversized", "length": CHUNK + 1, "error": "a polynomial has 12288 bytes, not 12289"},
                {
                    "why": "coefficient q",
                    "length": CHUNK,
                    "patch": [6 * 9, q],
                    "error": f"coefficient 9 is {Q}, not below the modulus {Q}",
                },
                {
                    "why": "last coefficient 2^48 - 1",
                    "length": CHUNK,
                    "patch": [CHUNK - 6, "ff" * 6],
                    "error": f"coefficient 2047 is {2**48 - 1}, not below the modulus {Q}",
                },
            ],
            "ciphertext": [
                {"why": "empty", "length": 0, "error": "a ciphertext for these parameters has 36864 bytes, not 0"},
                {
                    "why": "truncated",
                    "length": 3 * CHUNK - 1,
                    "error": "a ciphertext for these parameters has 36864 bytes, not 36863",
                },
                {
                    "why": "a chunk too many",
                    "length": 4 * CHUNK,
                    "error": "a ciphertext for these parameters has 36864 bytes, not 49152",
                },
                {
                    "why": "coefficient q in a blinding chunk",
                    "length": 3 * CHUNK,
                    "patch": [2 * CHUNK + 6 * 100, q],
                    "error": f"coefficient 100 of chunk 2 is {Q}, not below the modulus {Q}",
                },
            ],
            "linear_hash": [
                {"why": "empty", "length": 0, "error": "a linear hash has 12800 bytes, not 0"},
                {"why": "truncated", "length": 12799, "error": "a linear hash has 12800 bytes, not 12799"},
                {"why": "oversized", "length": 12825, "error": "a linear hash has 12800 bytes, not 12825"},
                {
                    "why": "coefficient p",
                    "length": 12800,
                    "patch": [25, P.to_bytes(7, "little").hex()],
                    "error": f"coefficient 4 of the linear hash is {P}, not below the modulus {P}",
                },
                {
                    "why": "last coefficient 2^50 - 1",
                    "length": 12800,
                    "patch": [12793, "c0" + "ff" * 6],
                    "error": f"coefficient 2047 of the linear hash is {2**50 - 1}, not below the modulus {P}",
                },
            ],
            "digit_sum": [
                {
                    "why": "empty",
                    "length": 0,
                    "error": "a digit sum for these parameters and weights has 55296 bytes, not 0",
                },
                {
                    "why": "truncated",
                    "length": 55295,
                    "error": "a digit sum for these parameters and weights has 55296 bytes, not 55295",
                },
                {
                    "why": "oversized",
                    "length": 55297,
                    "error": "a digit sum for these parameters and weights has 55296 bytes, not 55297",
                },
                {
                    "why": "a digit above the sum of the weights",
                    "length": 55296,
                    "patch": [2 * 18432 + 9 * 100 + 3, (16 * 65535 + 1).to_bytes(3, "little").hex()],
                    "error": f"digit 1 of coefficient 100 of chunk 2 is {16 * 65535 + 1}: "
                    f"with these weights it is at most {16 * 65535}",
                },
            ],
            "public_key": [
                {"why": "truncated", "length": 1215, "error": "a round public key has 1216 bytes, not 1215"},
                {"why": "oversized", "length": 1217, "error": "a round public key has 1216 bytes, not 1217"},
                {
                    "why": "an ML-KEM coefficient not below 3329",
                    "length": 1216,
                    "patch": [0, "ffff"],
                    "error": "the bytes are no X-Wing public key",
                },
            ],
            "secret_key": [
                {"why": "truncated", "length": 31, "error": "a round secret key has 32 bytes, not 31"},
                {"why": "oversized", "length": 33, "error": "a round secret key has 32 bytes, not 33"},
            ],
        },
    )


if __name__ == "__main__":
    xof_vectors()
    error_vectors()
    contribution_vectors()
    digit_sum_vectors()
    commitment_vectors()
    sealed_share_vectors()
    opening_vectors()
    refused_vectors()
