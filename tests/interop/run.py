"""Runs one scenario against one broker: run.py HOST PORT VERSION SCENARIO

VERSION is 3.1.1 or 5.0. Ends with 0 when the broker did as expected, with 1 and a sentence when not. Without
arguments it lists the scenarios, one a line, with the versions they are for, and last whether mosquitto passes.
"""

import os
import sys
import traceback

import basics
import crowd
import five
from peer import V5, V311, Failed

VERSIONS = {"3.1.1": V311, "5.0": V5}


def scenarios():
    for scenario in basics.SCENARIOS + crowd.SCENARIOS:
        yield scenario.__name__, scenario, ["3.1.1", "5.0"]
    for scenario in five.SCENARIOS + five.NOT_MOSQUITTO:
        yield scenario.__name__, scenario, ["5.0"]


def main(arguments):
    if not arguments:
        for name, scenario, versions in scenarios():
            print(name, *versions, "ours" if scenario in five.NOT_MOSQUITTO else "both")
        return 0
    host, port, version, wanted = arguments
    for name, scenario, versions in scenarios():
        if name == wanted and version in versions:
            try:
                scenario((host, int(port)), VERSIONS[version])
            except Failed as failed:
                print(f"{name} ({version}): {failed}")
                return 1
            except Exception:
                traceback.print_exc()
                return 1
            return 0
    print(f"there is no scenario {wanted} for {version}")
    return 1


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Connections that a scenario left open have threads; nobody waits for them.
    os._exit(code)
