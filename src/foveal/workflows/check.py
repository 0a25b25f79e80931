"""`foveal data check`: all images of a data set, looked over before anything is trained on them.

The test images are looked at as data: no model answers on them, so that the test split is not opened by this.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foveal.config import DataConfig
from foveal.data.doctor.check import judge, look_over
from foveal.data.doctor.duplicates import Numbers
from foveal.data.doctor.findings import Findings, Verdict
from foveal.data.doctor.overview import Overview, overview
from foveal.data.index import facts_of
from foveal.data.looks import choose_preprocess, measure_sizes
from foveal.data.sources import Source
from foveal.report.data_page import write_data_page
from foveal.report.progress import counting_bar
from foveal.workflows.load import decode, open_config


@dataclass(frozen=True)
class Checked:
    """What was found, what is said of it, and the page that shows it."""

    findings: Findings
    overview: Overview
    verdicts: tuple[Verdict, ...]
    page: Path

    @property
    def is_trustworthy(self) -> bool:
        """Whether nothing was found that would make a result a lie."""
        return all(verdict.level != "error" for verdict in self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        """The whole report as plain values, as `--json` prints it."""
        findings = self.findings
        return {
            **self.overview.as_dict(),
            "unreadable": [vars(each) for each in findings.unreadable],
            "suspicious": [
                {"path": findings.images.name(each.image), "kind": each.kind, "reason": each.reason}
                for each in findings.suspicious
            ],
            "duplicates": [_group(findings, group) for group in findings.worst_first(findings.copies)],
            "near_duplicates": [_group(findings, group) for group in findings.worst_first(findings.near_families)],
            "verdicts": [{**vars(each), "examples": list(each.examples)} for each in self.verdicts],
            "page": str(self.page),
        }


def _group(findings: Findings, group: Numbers) -> dict[str, list[str]]:
    images, numbers = findings.images, group.tolist()
    return {
        "paths": [images.name(i) for i in numbers],
        "labels": [images.label(i) for i in numbers],
        "splits": [images.split(i) for i in numbers],
    }


def check(wanted: DataConfig, source: Source | None = None, *, out: Path | None = None) -> Checked:
    """Look over the data that a config names (or `source`), and write the page. Raises DataError and ArtifactError."""
    data = open_config(wanted, source, purpose="checking")
    facts = {name: facts_of(part) for name, part in data.parts.items()}
    base = next(name for name, part in data.parts.items() if part is data.base)
    preprocess, _ = choose_preprocess(measure_sizes(data.base, facts[base]), wanted.size, wanted.fit, wanted.channels)
    pixels = {name: decode(part, preprocess, facts[name], allow_none=True) for name, part in data.parts.items()}
    with counting_bar("comparing") as show:
        findings = look_over(data, facts, pixels, show)
    numbers, verdicts = overview(findings), judge(findings)
    page = out or Path(f"check-{data.name}.html")
    write_data_page(findings, numbers, verdicts, page)
    return Checked(findings, numbers, verdicts, page)
