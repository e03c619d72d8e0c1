"""The peer OpenFHE in `run`: `openfhe_peer.py DIRECTORY PARAMETERS WEIGHTS`. The library chooses N and q (128 bits)."""

from math import log2

import numpy as np
import openfhe as fhe
from measure import UNIT, arguments, repeat, report, row, timed

# Members who hold a share of the key, as many as our committee has.
PARTIES = 5
# A prime for which every ring dimension up to 2^14 has slots, above twice the largest sum.
PLAINTEXT = 134250497


def enabled(parameters):
    context = fhe.GenCryptoContext(parameters)
    for feature in (fhe.PKE, fhe.LEVELEDSHE, fhe.KEYSWITCH, fhe.MULTIPARTY):
        context.Enable(feature)
    return context


def settings(context, more):
    return f"N={context.GetRingDimension()}, log q={log2(context.GetModulus()):.0f}, {more}"


def encrypt_all(context, key, updates, size, encode):
    """Ciphertexts of every update, the seconds to make and to serialise each, and the bytes of one."""
    encrypt, serialise, ciphertexts, length = [], [], [], 0
    for update in updates:
        # Converting to Python's numbers is no part of the scheme.
        chunks = [update[i : i + size].tolist() for i in range(0, len(update), size)]
        ciphertext, seconds = timed(lambda: [context.Encrypt(key, encode(chunk)) for chunk in chunks])
        encrypt.append(seconds)
        packed, seconds = timed(lambda: [fhe.Serialize(chunk, fhe.BINARY) for chunk in ciphertext])
        serialise.append(seconds)
        length = sum(map(len, packed))
        ciphertexts.append(ciphertext)
    return ciphertexts, encrypt, serialise, length


def bfv(steps, weights, what, mode=None):
    assert PLAINTEXT > 2 * 32767 * sum(weights)
    parameters = fhe.CCParamsBFVRNS()
    parameters.SetPlaintextModulus(PLAINTEXT)
    parameters.SetMultiplicativeDepth(0)
    parameters.SetEvalAddCount(sum(weights))
    if mode is not None:
        parameters.SetMultipartyMode(mode)
        parameters.SetThresholdNumOfParties(PARTIES)
    context = enabled(parameters)
    degree = context.GetRingDimension()
    keys = [context.KeyGen()]
    if mode is not None:
        while len(keys) < PARTIES:
            keys.append(context.MultipartyKeyGen(keys[-1].publicKey))
    # Packing in slots is the quicker way to encrypt here, packing in coefficients the quicker way to decrypt.
    encode = context.MakePackedPlaintext
    ciphertexts, encrypt, serialise, size = encrypt_all(context, keys[-1].publicKey, steps, degree, encode)

    factors = [encode([weight] * degree) for weight in weights]

    def weighted_sum():
        sums = []
        for chunks in zip(*ciphertexts):
            terms = (context.EvalMult(chunk, factor) for chunk, factor in zip(chunks, factors))
            acc = next(terms)
            for term in terms:
                context.EvalAddInPlace(acc, term)
            sums.append(acc)
        return sums

    sums, sum_seconds = repeat(weighted_sum)
    member = answer = None
    if mode is None:
        plaintexts, decrypt = repeat(lambda: [context.Decrypt(keys[0].secretKey, chunk) for chunk in sums])
    else:
        lead = [context.MultipartyDecryptLead([chunk], keys[0].secretKey)[0] for chunk in sums]
        share = lambda key: [context.MultipartyDecryptMain([chunk], key)[0] for chunk in sums]
        mine, member = repeat(lambda: share(keys[1].secretKey))
        answer = sum(len(fhe.Serialize(chunk, fhe.BINARY)) for chunk in mine)
        shares = [lead] + [share(key.secretKey) for key in keys[1:]]
        plaintexts, decrypt = repeat(lambda: [context.MultipartyDecryptFusion(list(chunk)) for chunk in zip(*shares)])
    values = np.concatenate([plaintext.GetPackedValue()[:degree] for plaintext in plaintexts])[: steps.shape[1]]
    exact = (steps.astype("i8") * np.array(weights)[:, None]).sum(axis=0)
    assert (values == exact).all(), f"OpenFHE {what}: the decrypted sum is not the sum"
    return row(
        f"OpenFHE {what}",
        settings(context, f"t={PLAINTEXT}, {degree} slots"),
        encrypt,
        serialise,
        sum_seconds,
        decrypt,
        size,
        np.zeros(1),
        member,
        answer,
    )


def ckks(floats, weights):
    parameters = fhe.CCParamsCKKSRNS()
    parameters.SetMultiplicativeDepth(0)
    parameters.SetScalingModSize(40)
    parameters.SetFirstModSize(60)
    parameters.SetScalingTechnique(fhe.ScalingTechnique.FIXEDMANUAL)
    context = enabled(parameters)
    slots = context.GetRingDimension() // 2
    keys = context.KeyGen()
    # Weighting ciphertexts costs a level (N=16384, twice the bytes), so here the participants weight their updates.
    weighted = floats.astype("f8") * np.array(weights)[:, None] / sum(weights)
    encode = context.MakeCKKSPackedPlaintext
    ciphertexts, encrypt, serialise, size = encrypt_all(context, keys.publicKey, weighted, slots, encode)

    def plain_sum():
        sums = []
        for first, second, *rest in zip(*ciphertexts):
            acc = context.EvalAdd(first, second)
            for chunk in rest:
                context.EvalAddInPlace(acc, chunk)
            sums.append(acc)
        return sums

    sums, sum_seconds = repeat(plain_sum)
    plaintexts, decrypt = repeat(lambda: [context.Decrypt(keys.secretKey, chunk) for chunk in sums])
    values = np.concatenate([plaintext.GetRealPackedValue()[:slots] for plaintext in plaintexts])
    errors = (values[: floats.shape[1]] - weighted.sum(axis=0)) / UNIT
    return row(
        "OpenFHE CKKS, one public key, sum unweighted",
        settings(context, f"scale 2^40, {slots} slots"),
        encrypt,
        serialise,
        sum_seconds,
        decrypt,
        size,
        errors,
    )


floats, steps, weights = arguments()
report(
    [
        bfv(steps, weights, "BFV, one public key"),
        bfv(steps, weights, "threshold BFV, fixed noise", fhe.MultipartyMode.FIXED_NOISE_MULTIPARTY),
        bfv(steps, weights, "threshold BFV, noise flooding", fhe.MultipartyMode.NOISE_FLOODING_MULTIPARTY),
        ckks(floats, weights),
    ]
)
