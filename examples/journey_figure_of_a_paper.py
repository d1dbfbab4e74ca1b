"""Figure 2 of a paper at another batch size: from the list of reproductions to the numbers. About fifteen seconds.

Yaida (arXiv 1810.00004) trains at one learning rate after another and shows that dissipation over fluctuation tends to 1,
the later the smaller the rate. Here on digits, at a small size: first as it is, then with larger batches,
that is fewer steps and less noise, with which it is not there yet.
"""

import contextlib
import io
import json
from pathlib import Path

from thermograd.cli import main as thermograd

SMALL = {"learning_rates": "0.4,0.2,0.1", "epochs": "12", "seeds": "2", "weight_decay": "0.05"}


def listed(word):
    """The lines of `thermograd list reproductions` that have a word in them."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        thermograd(["list", "reproductions"])
    return [line.strip() for line in said.getvalue().splitlines() if word in line]


def reproduced(folder, **changes):
    """The table of the reproduction, which `--json` would print too; the page with the figure is beside it."""
    words = ["--quiet", "reproduce", "fluctuation_dissipation", "--out", folder]
    for name, value in (SMALL | changes).items():
        words += ["--set", f"{name}={value}"]
    with contextlib.redirect_stdout(io.StringIO()):
        assert thermograd(words) == 0  # 1 if a row contradicts the paper
    return json.loads((Path(folder) / "table.json").read_text(encoding="utf-8"))


def main():
    print(*listed("Yaida"), *listed("Fig 2"), *listed("NAME=VALUE"), sep="\n")
    for batch_size in ("50", "125"):
        table = reproduced(f"batches_of_{batch_size}", batch_size=batch_size)
        print(f"\nbatches of {batch_size}: batches_of_{batch_size}/report.html")
        for row in table["rows"]:
            if row["quantity"].startswith(("O_L / O_R about the origin", "exponent")):
                name = row["quantity"].partition(";")[0]
                ours, verdict = row["ours"]["text"], row["verdict"]["text"].partition(";")[0]
                print(f"  {name}\n    paper: {row['paper']}; ours: {ours}; {verdict}")


if __name__ == "__main__":
    main()
