# SPDX-License-Identifier: Apache-2.0
"""The tables of a benchmark run."""
from math import inf, isnan
from statistics import median, pstdev

from cases import GEMM_ENGINES, GEMM_PRECISIONS, GEMM_SHAPES, GEMM_THREADS, GROUPS

TOLERANCE = 1e-3  # of f32 scores, in units of their spread


def time_text(seconds):
    digits = 2 if seconds < 0.01 else 1
    return f"{seconds * 1e3:.{digits}f} ms"


def ratio_text(slow, fast):
    return f"{slow / fast:.2f}" if slow and fast else ""


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(each) + " |" for each in lines) + "\n"


class Row:
    """One case's times: the median of the rounds' medians, and the fastest and slowest of all runs."""

    def __init__(self, case, rounds):
        self.case = case
        every = [seconds for each in rounds for seconds in each["seconds"]]
        self.median = median(median(each["seconds"]) for each in rounds)
        self.fastest, self.slowest = min(every), max(every)
        self.scores = rounds[0]["scores"]


class Report:
    """`cross_encoders`: layers by group."""

    def __init__(self, machine, cross_encoders, cases, results, failures, rates):
        self.machine, self.failures, self.rates = machine, failures, rates
        self.cross_encoders = cross_encoders
        self.rows = [Row(each, results[each.name]) for each in cases if each.name in results]
        self.by_name = {row.case.name: row for row in self.rows}

    # ---- scores ----

    def difference(self, row):
        """The largest from PyTorch's f32 scores, in units of their standard deviation (of one score: its size)."""
        reference = self.by_name.get(row.case.reference)
        if reference is None:
            return None
        spread = pstdev(reference.scores) if len(reference.scores) > 1 else abs(reference.scores[0])
        differences = (abs(a - b) for a, b in zip(row.scores, reference.scores))
        return max(differences, key=lambda each: inf if isnan(each) else each) / spread

    def wrong(self):
        """The rows whose scores are wrong."""
        found = []
        for row in self.rows:
            difference = self.difference(row)
            if row.case.exact and difference is not None and not difference <= TOLERANCE:
                found.append(f"{row.case.name}: {difference:.1e} of the scores' spread")
        return found

    # ---- tables ----

    def fastest(self, group):
        """The fastest row of a group, or None."""
        return min((row for row in self.rows if row.case.group == group), key=lambda row: row.median, default=None)

    def heading(self):
        m = self.machine
        return (f"{m['documents']} documents x {m['tokens']} tokens, query of {m['query_tokens']} tokens, "
                f"{m['threads']} threads")

    def cases_table(self):
        best = [self.fastest(group) for group in self.cross_encoders]
        rows = []
        for row in self.rows:
            difference = self.difference(row)
            rows.append([GROUPS[row.case.group], row.case.title, time_text(row.median), time_text(row.fastest),
                         time_text(row.slowest), f"{self.machine['documents'] / row.median:.0f}",
                         *(ratio_text(each and each.median, row.median) for each in best),
                         "" if difference is None else f"{difference:.1e}"])
        return table(["task", "engine", "median", "fastest", "slowest", "pairs/s",
                      *(f"fastest {layers}-layer cross-encoder / this" for layers in self.cross_encoders.values()),
                      "largest difference from PyTorch f32 / spread"], rows)

    def targets_table(self):
        """mice beside the fastest engine that it would replace, and beside late interaction if there is any."""
        peers = [self.fastest(group) for group in self.cross_encoders]
        colbert = [row for row in [self.fastest("colbert")] if row]
        rows = []
        for group in ("stored", "kv", "not-stored"):
            ours = [row for row in self.rows if row.case.group == group and row.case.engine == "mice"]
            openvino = self.by_name.get(("not-stored" if group == "not-stored" else "stored") + "/openvino-int8")
            in_f32 = [row for row in ours if row.case.precision == "f32"]
            for label, some in (("fastest", ours), ("f32", in_f32)):
                if some:
                    row = min(some, key=lambda each: each.median)
                    others = (*peers, openvino, *colbert)
                    rows.append([GROUPS[group], f"{label}: {row.case.title}", time_text(row.median),
                                 *(ratio_text(each and each.median, row.median) for each in others)])
        names = [GROUPS[group] + (f" ({peer.case.title})" if peer else "")
                 for group, peer in zip(self.cross_encoders, peers)]
        names += ["MICE in OpenVINO int8", *("ColBERT (PyTorch f32)" for _ in colbert)]
        return table(["task", "mice", "median", *(f"{each} / this" for each in names)], rows) if rows else ""

    def gemm_table(self):
        """Billions of operations a second, with the share of what a register tile alone reaches."""
        def cell(engine, precision, shape, threads):
            rates = self.rates.get((engine, precision, shape, threads))
            if rates is None:  # only mice has a row for the peak
                return ""
            peak = max(self.rates["mice", precision, "peak", threads])
            if shape == "peak":
                return f"{peak / 1e9:.0f}"
            return f"{median(rates) / 1e9:.0f} ({median(rates) / peak:.0%})"

        measured = {key[:2] for key in self.rates}
        columns = [(engine, precision) for precision in GEMM_PRECISIONS for engine in GEMM_ENGINES
                   if (engine, precision) in measured]
        head = ["threads", "rows x k x n", *(f"{GEMM_ENGINES[engine]} {precision}" for engine, precision in columns)]
        rows = []
        for threads in GEMM_THREADS:
            for shape in ("peak", *("x".join(map(str, each)) for each in GEMM_SHAPES)):
                rows.append([str(threads), shape.replace("x", " x "),
                             *(cell(*column, shape, threads) for column in columns)])
        return table(head, rows)

    def markdown(self):
        m = self.machine
        versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items())
        load = "" if m["load"] is None else f", load {m['load']:.1f} before"
        parts = [f"{self.heading()}, {m['rounds']} rounds; MICE: {m['model']}; {m['processor']}, "
                 f"{m['cores']} cores{load}.\n{versions}.\n"]
        if self.rows:
            parts += [self.cases_table(), self.targets_table()]
        if self.rates:
            parts.append("The matrix product, in billions of multiplications and additions a second (share of the "
                         "peak of a register tile):\n\n" + self.gemm_table())
        if self.failures:
            parts.append("Failed:\n\n" + "".join(f"* {name}: {why}\n" for name, why in self.failures.items()))
        return "\n".join(part for part in parts if part)

    def plotted(self):
        """What plot.py draws."""
        return {"title": self.heading() + f", {self.machine['processor']}",
                "rows": [{"group": GROUPS[row.case.group], "title": row.case.title,
                          "ours": row.case.engine in ("mice", "eigen"), "median": row.median, "fastest": row.fastest,
                          "slowest": row.slowest} for row in self.rows]}
