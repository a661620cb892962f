"""Mutants that start, stop or live wrongly: in the wrong place, as the wrong user, with the wrong label."""

from mutants.reference import Reference
from mutants.registry import breaks


@breaks("1.01")
class EndsAtOnce(Reference):
    def main(self):
        return 1


@breaks("1.28")
class LeavesAtOnce(Reference):
    def stop(self, server):
        server.stop(timeout=0)
