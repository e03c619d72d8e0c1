#!/usr/bin/env python3
"""Prints derived.txt: what the ledger derives from seeds, written a second time from its documentation.

Only the standard library, integers only. Run: python3 derive.py > derived.txt
"""
from hashlib import sha256
from math import isqrt
from struct import pack


def h(domain, *parts):
    return sha256(b"unsilo/v1/" + domain + b"\0" + b"".join(parts)).digest()


class Xof:
    def __init__(self, domain, seed):
        self.domain, self.seed, self.counter, self.buffer = domain, seed, 0, b""

    def take(self, count):
        while len(self.buffer) < count:
            self.buffer += h(self.domain, self.seed, pack("<Q", self.counter))
            self.counter += 1
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out

    def below(self, bound):
        top = (2**128 - 1) - (2**128 - 1) % bound
        while True:
            value = int.from_bytes(self.take(16), "little")
            if value < top:
                return value % bound


def draw(seed, candidates, count):
    xof, rest, out = Xof(b"committee draw", seed), list(candidates), []
    while len(out) < count and sum(weight for _, weight in rest) > 0:
        target, running = xof.below(sum(weight for _, weight in rest)), 0
        for at, (candidate, weight) in enumerate(rest):
            running += weight
            if running > target:
                out.append(candidate)
                del rest[at]
                break
    return out


def initial_weights(layers, seed):
    xof, out = Xof(b"initial weights", seed), []
    for inputs, outputs in zip(layers, layers[1:]):
        bound, step = isqrt(6 * 2**48 // inputs), 1
        if bound > 2**24:
            bound, step = bound // 4, 4
        span = 2 * bound + 1
        top = (2**32 - 1) - (2**32 - 1) % span
        for _ in range(inputs * outputs):
            value = top
            while value >= top:
                value = int.from_bytes(xof.take(4), "little")
            out.append((value % span - bound) * step)
        out += [0] * outputs
    return out


def model_hash(layers, weights):
    # Kind 0 (mlp), activation 0 (relu), widths, then f32 bytes. A double holds value * 2^-24 exactly.
    head = bytes([0, 0]) + pack("<I", len(layers)) + b"".join(pack("<I", units) for units in layers)
    return h(b"model", head, b"".join(pack("<f", value * 2.0**-24) for value in weights))


seed = bytes(range(32))
federation = bytes([0xF0]) * 32
print("# Made by derive.py.")
print("xof =", Xof(b"initial weights", seed).take(80).hex())
print("nonce commitment =", h(b"seat nonce", federation, pack("<Q", 7), pack("<I", 3), seed).hex())
roots = pack("<I", 1) + bytes([0x11]) * 32 + pack("<I", 4) + bytes([0x44]) * 32
rater = pack("<I", 4) + pack("<I", 3) + bytes([0x77]) * 3 + pack("<I", 2) + bytes([0x55]) * 32 + bytes([0x66]) * 32
closed = h(b"closed contributions", federation, pack("<Q", 7), pack("<Q", 2), roots, pack("<Q", 1), rater)
print("contributions =", closed.hex())
print("challenge =", h(b"challenge seed", closed, seed, bytes([0x22]) * 32).hex())
ended = h(b"ended ratings", federation, pack("<Q", 7), bytes([1]), pack("<Q", 2), roots)
print("ended ratings =", ended.hex())
print("seed after void =", h(b"seed after void", seed, pack("<Q", 7)).hex())
print("draw =", ",".join(map(str, draw(seed, [(i, i + 1) for i in range(12)], 9))))
weights = initial_weights([64, 32, 10], seed)
print("first weights =", ",".join(map(str, weights[:6])))
print("first model =", model_hash([64, 32, 10], weights).hex())
print("weights of two inputs =", ",".join(map(str, initial_weights([2, 600, 3], seed)[:6])))
