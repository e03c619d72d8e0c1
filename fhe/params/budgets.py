#!/usr/bin/env python3
"""Computes the noise and range budgets of the parameters, and compares with what `budgets.json` records.

    python3 budgets.py [--write]

The standard library alone, from the definitions and not from the Rust code. `--write` records the result; a test holds the
record against the constants of the crate and against the limits that the code computes.

**The accept rule.** x_k = <r_k, Delta·m + e> with entries of r_k in {-1, 0, 0, 1}, variance 1/2. For an update on the bound,
‖m‖ = C, it accepts if every |x_k| is at most 6 deviations (and 8 of the noise), and 2·sum_k x_k^2 <= 132·(Delta·C)^2.
`gaussian` takes x_k for normal, so 2·sum x_k^2/(Delta·C)^2 for chi-square with 48 degrees of freedom. `any update` is a bound
for *every* m, however concentrated: r_k is half the sum of two sign vectors, so x_k is a Rademacher sum; its tail is at most
3.18 times the normal one (Bentkus and Dzindzalieta 2015), and E exp(l·x_k^2) is at most that of the normal (the sum is
sub-Gaussian with the same variance), which gives the Chernoff bound of chi-square.
"""

import argparse
import json
import sys
from math import comb, e, erfc, exp, factorial, isqrt, lgamma, log, log2, pi, sqrt
from pathlib import Path

RECORD = Path(__file__).with_name("budgets.json")
CONSTANTS = {
    "N": 2048,
    "Q": 281474976546817,
    "DELTA": 1024,
    "SIGMA": 1160,
    "MAX_ERROR": 9280,
    "MAX_STEP": 32767,
    "MAX_WEIGHT": 256,
    "MAX_PARTICIPANTS": 8000,
    "MAX_TOTAL_WEIGHT": 2048000,
    "BLINDING_CHUNKS": 2,
    "PROJECTIONS": 48,
    "MAX_BLINDING": 8,
    "MAX_PARAMETERS": 2**27,
    "HASH_MODULUS": 1125899904679937,
}
N, Q, DELTA, SIGMA, CUT = (CONSTANTS[name] for name in ("N", "Q", "DELTA", "SIGMA", "MAX_ERROR"))
STEP, WEIGHT, TOTAL = CONSTANTS["MAX_STEP"], CONSTANTS["MAX_WEIGHT"], CONSTANTS["MAX_TOTAL_WEIGHT"]
K, P = CONSTANTS["PROJECTIONS"], CONSTANTS["HASH_MODULUS"]
DIGIT = 2**16 - 1
# Factors of the accept rule: deviations of one projection, and of all together.
SIX, SUM = 6, 132
# How much longer than C an accepted update can be, and the length of a sum up to which the blinding chunks alone tell
# a wrong key: `decrypt.rs`.
ACCEPTED_CLIPS, BLINDING_DECIDES = 4, 2**41
# Models whose limits are recorded: the smallest that can be asked directions, the examples of the design, the largest.
PARAMETERS = [1, 1792, 2410, 4096, 10**6, 2**21, 2**27]


def normal_tail(x):
    """P(|g| > x)."""
    return erfc(x / sqrt(2))


def chi_square_above(x, freedom):
    """P(chi-square > x) for an even number of degrees of freedom, exactly."""
    half = x / 2
    return exp(-half) * sum(half**i / factorial(i) for i in range(freedom // 2))


def chi_square_below(x, freedom):
    """P(chi-square <= x), by the series of the other tail, so that small ones are exact too."""
    half, first = x / 2, freedom // 2
    return sum(exp(i * log(half) - half - lgamma(i + 1)) for i in range(first, first + 400))


def bits(probability):
    return round(log2(probability), 1)


def ceil_sqrt(x):
    root = isqrt(x)
    return root + (root * root < x)


def clip(parameters):
    return min(2**23, 2**12 * ceil_sqrt(parameters))


def coefficients(parameters):
    return N * (-(-parameters // N) + CONSTANTS["BLINDING_CHUNKS"])


def key_and_sum():
    largest = (DELTA * STEP + CUT) * TOTAL
    # Rounding an entry up or down at random has a variance of 1/6 on average.
    mean = lambda n, rounding=0.0: round(sqrt(((SIGMA / DELTA) ** 2 + rounding) / n), 3)
    return {
        # What is left of an error when two honest weights are 255 and 256: params/estimate.py.
        "residual deviation at weight 256": round(SIGMA / (WEIGHT * sqrt(2)), 4),
        "error cut, deviations": CUT / SIGMA,
        "probability that one Gaussian is cut, log2": bits(normal_tail(CUT / SIGMA)),
        "largest coefficient of a sum": largest,
        "q/2 over the largest coefficient of a sum": round(Q / 2 / largest, 3),
        "decrypted sum off by at most, steps per weight": round(CUT / DELTA + 1, 4),
        "mean of 5 off by the noise, steps rms": mean(5),
        "mean of 10 off by the noise, steps rms": mean(10),
        "mean of 5 off by noise and stochastic rounding, steps rms": mean(5, 1 / 6),
        "mean of 10 off by noise and stochastic rounding, steps rms": mean(10, 1 / 6),
    }


def digit_sums():
    return {
        "largest digit of a sum": TOTAL * DIGIT,
        "bytes of the largest digit": ((TOTAL * DIGIT).bit_length() + 7) // 8,
        "weight that fits a 32-bit digit": (2**32 - 1) // DIGIT,
        "p/2 over the largest digit": round(P / 2 / (TOTAL * DIGIT), 1),
    }


def accept_rule():
    one = K * normal_tail(SIX)
    together = chi_square_above(SUM, K)
    chernoff = exp(-(SUM - K) / 2 + K / 2 * log(SUM / K))
    return {
        "honest at C, a projection out of range, log2 (gaussian)": bits(one),
        "honest at C, all together too long, log2 (gaussian)": bits(together),
        "honest at C, rejected, log2 (gaussian)": bits(one + together),
        "honest at C, rejected, log2 (any update)": bits(3.18 * one + chernoff),
        "noise beyond its 8 deviations in one of 48, log2": bits(K * normal_tail(8)),
        "honest at C/2, rejected, log2 (gaussian)": bits(K * normal_tail(2 * SIX) + chi_square_above(4 * SUM, K)),
        "norm 2C, accepted": round(chi_square_below(SUM / 4, K), 4),
        "norm 3C, accepted, log10": round(log(chi_square_below(SUM / 9, K), 10), 2),
        "norm 4C, accepted, log10": round(log(chi_square_below(SUM / 16, K), 10), 2),
        # 2·(4C)^2 for each of the vectors that hit the one coefficient: at most four of 48 may.
        "norm 4C in one coefficient, accepted, log2": bits(sum(comb(K, i) for i in range(SUM // 32 + 1)) / 2**K),
        "norm 10C, accepted, log10": round(log(chi_square_below(SUM / 100, K), 10), 2),
        # Whatever wraps around: each r_k misses it with probability at most 1/2.
        "wrap-around not seen by any projection, log2": -K,
        "norm estimate, relative deviation": round(1 / sqrt(2 * K), 3),
        "norm estimate, rounded up by at most": round(2 ** (1 / 8) - 1, 3),
    }


def longest_sum(parameters, weight):
    """Steps that accepted contributions of so much weight together do not exceed."""
    return weight * (ACCEPTED_CLIPS * clip(parameters) + (CUT // DELTA + 2) * (isqrt(coefficients(parameters)) + 1))


def wrong_key_taken(count, length):
    """log2 of the probability that so many coefficients, uniform mod q, are shorter than so many steps: ball over cube."""
    return min(0, count * log2(length * DELTA * sqrt(2 * pi * e / count) / Q))


def model(parameters):
    c, d = clip(parameters), coefficients(parameters)
    scaled, noise = DELTA * c, ceil_sqrt(CUT**2 * d)
    double_square = (SIX * scaled + noise) ** 2
    limit = isqrt(double_square // 2)
    opened = min(128, parameters // 32)
    # A direction has at most this squared norm before it is extended by rho.
    squared = min(64 * parameters, (2**36 // c) ** 2)
    extended = sqrt(squared + CONSTANTS["MAX_BLINDING"] ** 2 * 2 * N)
    product = sqrt(squared) * c
    longest = longest_sum(parameters, TOTAL)
    read = coefficients(parameters) if longest > BLINDING_DECIDES else 2 * N
    one = longest_sum(parameters, WEIGHT)
    return {
        "parameters": parameters,
        "clip, steps": c,
        "noise of an honest update beside Delta·C, relative": round(SIGMA * sqrt(d) / scaled, 6),
        "largest |x|": limit,
        # More than 64 bits: as text.
        "2·largest |x|^2": str(double_square),
        "largest 2·sum x^2": str(SUM * scaled**2),
        # A key that fits nothing gives 48 uniform numbers mod q.
        "garbage accepted, log2": round(K * log2(min(1, (2 * limit + 1) / Q)), 0),
        "longest sum at full weight, steps": longest,
        "wrong key taken at full weight, log2": round(wrong_key_taken(read, longest)),
        "contributions at weight 256 up to which the blinding decides": BLINDING_DECIDES // one,
        "vectors opened at most": opened,
        "largest squared norm of a direction": squared,
        "largest product with an update, bits": round(log2(product), 2),
        "q/2 over the largest product, noise included": round(Q / 2 / (DELTA * product + 8 * SIGMA * extended), 2),
        # Both sides of the rule fit 128 bits, and 2·sum x^2 of numbers in range too.
        "bits of 96·(largest |x|)^2": (96 * limit * limit).bit_length(),
    }


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--write", action="store_true", help="record the result in budgets.json")
    options = options.parse_args()
    budgets = {
        "constants": CONSTANTS,
        "key and sum": key_and_sum(),
        "digit sums": digit_sums(),
        "accept rule": accept_rule(),
        "models": [model(parameters) for parameters in PARAMETERS],
    }
    assert Q % 2**15 == 1 and Q < 2**48 and P % 2**16 == 1 and P < 2**50
    assert CUT == 8 * SIGMA and TOTAL == CONSTANTS["MAX_PARTICIPANTS"] * WEIGHT
    for title, values in budgets.items():
        print(f"{title}:")
        for one in values if isinstance(values, list) else [values]:
            for name, value in one.items():
                print(f"  {name}: {value}")
            if one is not values:
                print()
    if options.write:
        RECORD.write_text(json.dumps(budgets, indent=1, ensure_ascii=False) + "\n")
    elif not RECORD.exists() or json.loads(RECORD.read_text()) != budgets:
        sys.exit("the budgets differ from what is recorded")


if __name__ == "__main__":
    main()
