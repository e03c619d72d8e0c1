"""Writes the updates that every system encrypts: `updates.py DIRECTORY PARAMETERS COUNT`.

`updates.f32`: Gaussian entries of deviation 0.006, one update after the other. `steps.i32`: the same in quantisation
steps of 2^-14, rounded to nearest and saturated as ours are; all are within the norm bound, so that nothing is clipped.
Both little endian. The standard library alone, so that our own row needs no package.
"""

import math
import random
import sys
from array import array
from pathlib import Path

UNIT = 2.0**-14
MAX_STEP = 32767


def main():
    directory, parameters, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    directory.mkdir(parents=True, exist_ok=True)
    bound = min(2**23, 2**12 * math.ceil(math.sqrt(parameters)))
    gauss = random.Random(1).gauss
    with open(directory / "updates.f32", "wb") as floats, open(directory / "steps.i32", "wb") as integers:
        for _ in range(count):
            update = array("f", (gauss(0, 0.006) for _ in range(parameters)))
            steps = array("i", (max(-MAX_STEP, min(MAX_STEP, round(value / UNIT))) for value in update))
            assert math.sqrt(sum(step * step for step in steps)) < bound - math.sqrt(parameters)
            for values, file in ((update, floats), (steps, integers)):
                if sys.byteorder == "big":
                    values.byteswap()
                values.tofile(file)


main()
