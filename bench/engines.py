# SPDX-License-Identifier: Apache-2.0
"""The processes that bench/run.py measures with: each stays resident, reads cases line by line and answers in
JSON lines."""
import contextlib
import json
import os
import subprocess


class Failed(Exception):
    """An engine gave no answer; the text is the end of its output."""


def environment(threads):
    """The same number of threads for every engine, and nothing that uses the network."""
    count = str(threads)
    return {**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count,
            "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false",
            "CI": "true", "NNCF_CI": "1"}  # the last two: no usage statistics of OpenVINO and NNCF


class Engine:
    """A process that starts with its first case; what it prints besides answers goes into a log."""

    def __init__(self, command, threads, log, variables=None):
        self.command, self.log = [str(each) for each in command], log
        self.environment = {**environment(threads), **(variables or {})}
        self.process = None

    def ask(self, case):
        if self.process is None:
            with open(self.log, "w", encoding="utf-8") as log:
                self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                stderr=log, text=True, env=self.environment)
        try:
            self.process.stdin.write(case + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            said = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise Failed(" | ".join(said[-2:]) or "no answer")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def close(self):
        if self.process is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()
            self.process = None
