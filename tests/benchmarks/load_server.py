"""`kweek serve` over load devices: the real server, with `LoadDriver` for every unit.

python -m tests.benchmarks.load_server
"""

from functools import partial

from orchestrator import serving
from orchestrator.app import open_house
from tests.benchmarks.load_device import LoadDriver

USER, SECRET = "anna", "a sentence only I know"

if __name__ == "__main__":
    serving.add_first_person(USER, "Anna Admin", SECRET)
    serving.open_house = partial(open_house, driver=LoadDriver)  # the one thing that is not the real server's
    serving.serve("127.0.0.1", 0)
