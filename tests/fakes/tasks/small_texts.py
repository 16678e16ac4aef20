"""Small tables of texts for tests."""

import csv
from pathlib import Path

WORDS = ("apple", "bread", "cheese", "dates", "eggs", "fish", "grapes", "honey", "ice", "juice")


def rows_of(num_classes=12, per_class=8, num_domains=4):
    """(text, label, domain): a text says its class's word twice, and a number of its own."""
    found = []
    for i in range(num_classes):
        word = WORDS[i % len(WORDS)] + str(i // len(WORDS))
        for j in range(per_class):
            domain = f"domain{i % num_domains}"
            found.append((f"please bring {word} and {word} at {j}", f"want_{word}", domain))
    return found


def write(path: Path, rows, header=("text", "label", "domain")) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
    return path
