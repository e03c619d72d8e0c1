#!/usr/bin/env python3
"""Prints median_more.json: epochs of the mechanism `median`, written a second time from the rule's text.

Only the standard library, integers only. Run: python3 median.py > median_more.json
"""
import json
import random

ONE = 1 << 32
A, R, FLOOR, XI, ETA, Q0 = 858993459, 429496729, 214748364, 858993459, 429496729, 1 << 31


def split(amount, shares):
    total = sum(shares)
    if total == 0:
        return [0] * len(shares)
    parts = [amount * share // total for share in shares]
    order = sorted(range(len(shares)), key=lambda i: (-(amount * shares[i] % total), i))
    for i in order[: amount - sum(parts)]:
        parts[i] += 1
    return parts


def capped(stake):
    n, o = len(stake), sorted(stake, reverse=True)
    for k in range(n):
        d = 2 * n - 3 * k
        theta = o[k - 1] if d <= 0 else 3 * sum(o[k:]) // d
        if o[k] <= theta:
            break
    v = [min(s, theta) for s in stake]
    return [x * ONE // sum(v) for x in v] if sum(v) else v


def epoch(memory, owner, stake, weights, emission):
    n = len(stake)
    N = range(n)
    first = memory is None
    M, rep = memory or ([[0] * n for _ in N], [ONE] * n)
    M = [row[:] for row in M]
    for i in N:
        w = [0 if owner[i] == owner[j] else weights[i][j] for j in N] if weights[i] else [0] * n
        if sum(w):
            W = [x * ONE // sum(w) for x in w]
            M[i] = W if first else [((ONE - A) * M[i][j] + A * W[j]) >> 32 for j in N]
    v = capped(stake)
    p = [v[i] * rep[i] >> 32 for i in N]
    C = []
    for j in N:
        others = [i for i in N if owner[i] != owner[j]]
        total, cum, c = sum(p[i] for i in others), 0, 0
        for i in sorted(others, key=lambda i: (-M[i][j], i)):
            cum += p[i]
            if 2 * cum > total:
                c = M[i][j]
                break
        C.append(c)
    Q = sum(C)
    out = {"v_bits": v, "consensus_bits": C, "Q_bits": Q}
    if Q == 0:
        none = dict(phi_bits=0, agreement_bits=[0] * n, rep_after_bits=rep, pay_contrib=None, pay_rater=None,
                    pay_niche=None, payout=[0] * n, withheld=emission)
        return (M, rep), out | none
    phi = min(ONE, Q * ONE // Q0)
    paid = emission * phi >> 32
    agreement = []
    for i in N:
        cols = [j for j in N if C[j] > 0 and owner[j] != owner[i]]
        rows, cs = sum(M[i][j] for j in cols), sum(C[j] for j in cols)
        ok = rows > 0 and cs > 0
        agreement.append(sum(min(M[i][j] * ONE // rows, C[j] * ONE // cs) for j in cols) if ok else 0)
    cum = 0
    for i in sorted(N, key=lambda i: (-agreement[i], i)):
        cum += v[i]
        if 2 * cum >= sum(v):
            ref = agreement[i]
            break
    A1 = [min(ONE, a * ONE // ref) if ref else 0 for a in agreement]
    A2 = [a * a >> 32 for a in A1]
    rep = [max(FLOOR, ((ONE - R) * rep[i] + R * A2[i]) >> 32) for i in N]
    D = [v[i] * A2[i] >> 32 for i in N]
    rater = split(paid * XI >> 32, D)
    budget = split(paid * ETA >> 32, D)
    niche = [0] * n
    for i in N:
        X = [M[i][j] - C[j] if owner[i] != owner[j] and M[i][j] > 0 and 2 * (M[i][j] - C[j]) >= M[i][j] else 0
             for j in N]
        for j, part in enumerate(split(budget[i] * min(ONE, sum(X)) >> 32, X)):
            niche[j] += part
    contrib = split(paid - sum(rater) - sum(niche), C)
    payout = [contrib[i] + rater[i] + niche[i] for i in N]
    assert sum(payout) == paid
    return (M, rep), out | dict(phi_bits=phi, agreement_bits=agreement, rep_after_bits=rep, pay_contrib=contrib,
                                pay_rater=rater, pay_niche=niche, payout=payout, withheld=emission - paid)


def case(name, seed, n, epochs, emission=10**9, groups=None, stake=lambda r: 100, absent=0.0, extremes=False):
    r = random.Random(seed)
    owner = [g % groups for g in range(n)] if groups else list(range(n))
    memory, rows = None, []
    utility = [r.randint(0, 40000) for _ in range(n)]
    for e in range(epochs):
        stakes = [stake(r) for _ in range(n)]
        weights = []
        for i in range(n):
            if r.random() < absent:
                weights.append(None if r.random() < 0.5 else [0] * n)
            elif extremes:
                weights.append([r.choice([0, 0, 1, 65535, r.randint(0, 65535)]) for _ in range(n)])
            else:
                weights.append([max(0, min(65535, int(u * r.uniform(0.5, 1.5)))) for u in utility])
        memory, out = epoch(memory, owner, stakes, weights, emission)
        rows.append({"epoch": e, "stake": stakes, "weights_u16": weights} | out)
    return {"name": name, "n": n, "owner_group": owner, "emission": emission, "epochs": rows}


if __name__ == "__main__":
    wild = lambda r: r.choice([0, 1, 7, 100, r.randint(0, 1000), r.randint(0, 2**64 - 1)])
    cases = [
        case("alone", 1, 1, 2),
        case("two", 2, 2, 3),
        case("three", 3, 3, 3),
        case("five_absent", 4, 5, 6, absent=0.4),
        case("nine_groups", 5, 9, 4, groups=4, absent=0.1),
        case("one_owner", 6, 4, 2, groups=1),
        case("ten_stakes", 7, 10, 4, stake=lambda r: r.choice([0, 1, 100, 10**6])),
        case("eight_wild", 8, 8, 6, emission=2**64 - 1, stake=wild, absent=0.2, extremes=True),
        case("seven_wild_groups", 9, 7, 6, emission=999_999_937, groups=5, stake=wild, absent=0.3, extremes=True),
        case("six_extremes", 10, 6, 5, emission=7, extremes=True),
        case("no_stake", 11, 4, 2, stake=lambda r: 0),
        case("no_emission", 12, 4, 2, emission=0),
        case("twenty", 13, 20, 3, stake=lambda r: r.randint(1, 500), absent=0.1),
    ]
    print(json.dumps({"spec": "design rule `median`, see median.py", "cases": cases}, separators=(",", ":")))
