"""Where measured tables go: docs/results.md, between two markers each."""

import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs/results.md"


def write_between(name: str, text: str) -> None:
    """Put the text between `<!-- name:start -->` and `<!-- name:end -->`."""
    first, last = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, start, rest = PAGE.read_text().partition(first)
    _, end, after = rest.partition(last)
    if not (start and end):
        sys.exit(f"{PAGE} lacks {first} or the {last} after it. Add both where the table belongs.")
    PAGE.write_text(f"{before}{first}\n{text}\n{last}{after}")
