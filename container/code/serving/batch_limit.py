"""How many requests go together: more as long as that takes hardly longer, fewer when it does."""

import math

FIRST_BATCH = 2  # requests; then twice as many whenever that takes little longer than few of them
LONGER = 1.0  # seconds that a call for several requests may take more than one for few: each waits for all


class BatchLimit:
    """The most requests of the next batch; it goes by what the last ones took."""

    def __init__(self, most: int, first: int = FIRST_BATCH):
        """Begin with *first*; never allow more than *most*."""
        self.requests = min(most, first)
        self._most = most
        self._least = math.inf  # seconds that a batch took
        self._grows = True

    def learn(self, size: int, seconds: float, *, failed: bool) -> None:
        """Go by a batch of *size* requests that took *seconds*, or whose call *failed* for all of them."""
        self._least = seconds if size == 1 else min(self._least, seconds)
        longer = seconds - self._least
        if longer > LONGER or failed:
            self.requests = max(1, size // 2)
            self._grows = False
        elif size == self.requests:
            self._grows = 2 * longer < LONGER
            if self._grows:
                self.requests = min(self._most, 2 * self.requests)

    def calls_for(self, requests: int) -> int:
        """Return how many batches *requests* will be, if the limit goes on as it did."""
        calls, limit = 0, self.requests
        while requests > 0 and self._grows and limit < self._most:
            requests -= limit
            calls, limit = calls + 1, min(self._most, 2 * limit)
        return calls + max(0, -(-requests // limit))
