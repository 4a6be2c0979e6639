# SPDX-License-Identifier: Apache-2.0
"""Draws the medians of a benchmark run, with lines from the fastest to the slowest.

    plot.py OUT.svg < JSON          {"title": ..., "rows": [{"group", "title", "ours", "median", "fastest", "slowest"}]}
"""
import json
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

OURS, PEERS = "#c44e00", "#4a6785"


def main():
    data = json.load(sys.stdin)
    rows = data["rows"]
    places, labels, place, group = [], [], 0, None
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.27 * len(rows) + 0.35 * len({row["group"] for row in rows})))
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            place += 1.3
            axes.text(0.01, place - 0.2, group, transform=axes.get_yaxis_transform(), weight="bold", va="center",
                      fontsize=8)
            place += 0.8
        colour = OURS if row["ours"] else PEERS
        axes.plot([row["fastest"] * 1e3, row["slowest"] * 1e3], [place, place], color=colour, linewidth=1.5)
        axes.plot([row["median"] * 1e3], [place], "o", color=colour, markersize=5)
        axes.annotate(f"{row['median'] * 1e3:.3g}", (row["slowest"] * 1e3, place), xytext=(6, 0),
                      textcoords="offset points", va="center", fontsize=7)
        places.append(place)
        labels.append(row["title"])
        place += 1
    axes.set_xscale("log")
    axes.set_yticks(places, labels, fontsize=8)
    axes.set_ylim(place, 0)
    axes.set_xlabel("milliseconds, logarithmic: median, fastest to slowest")
    axes.set_title(data["title"], fontsize=9)
    axes.grid(axis="x", which="both", alpha=0.25)
    axes.margins(x=0.12)
    figure.tight_layout()
    figure.savefig(sys.argv[1], metadata={"Date": None})


if __name__ == "__main__":
    main()
