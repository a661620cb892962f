"""A model like those that start native threads when they are loaded: in a forked copy it waits for them for ever."""

import os
import queue
import threading


class Model:
    def __init__(self):
        self.loaded_by = os.getpid()
        self.work = queue.Queue()
        self.results = queue.Queue()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            self.results.put(self.work.get())

    def predict(self, rows):
        self.work.put([self.loaded_by == os.getpid() for _ in rows])
        return self.results.get()


def model_fn(model_dir):
    return Model()
