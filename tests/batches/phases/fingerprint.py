"""Print a digest of what every phase asks for under seeded answers: the same in every process."""

import hashlib

from batches.interpret import drive
from batches.phases import PHASES, begin
from batches.plain import canonical
from batches.steps import plain
from tests.batches.phases.answering import Seeded, World, parameters


def main() -> None:
    for (name, version), phase in PHASES.items():
        digest = hashlib.sha256()
        for seed in range(5):
            chance = Seeded(seed)
            values = parameters(
                phase, chance, lambda name, chance=chance: chance.pick((name != "unit", False))
            )
            asked, results = drive(begin(phase, values), World(chance).answer)
            for step, reply in asked:
                digest.update(canonical([plain(step), plain(reply)]))
            digest.update(canonical(plain(results)))
        print(f"{name}@{version}", digest.hexdigest())


if __name__ == "__main__":
    main()
