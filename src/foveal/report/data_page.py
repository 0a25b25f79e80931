"""The page of `foveal data check`: one HTML file that needs nothing else, no network and no script."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from foveal.classifier import foveal_version
from foveal.data.doctor.duplicates import Numbers
from foveal.data.doctor.findings import Findings, Verdict, counted
from foveal.data.doctor.overview import Overview
from foveal.report.thumbnails import picture
from foveal.storage import cannot_write, write_atomic

# Pictures on the page, 200 in all: at 64 pixels a side the page stays below three megabytes.
MAX_SAMPLES, MAX_PER_CLASS, MAX_SUSPICIOUS, MAX_GROUPS, MAX_OF_GROUP = 64, 6, 24, 14, 4
MAX_ROWS = 200  # of a table; --json has all
TEMPLATE = Path(__file__).with_name("data_page.html")


def write_data_page(findings: Findings, numbers: Overview, verdicts: Sequence[Verdict], path: Path) -> None:
    """Write the page, whole or not at all. Raises ArtifactError when it cannot be written."""
    page = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(f"{numbers.data}: looked over"),
        summary=_summary(findings, numbers),
        sections="\n".join(_sections(findings, numbers, verdicts)),
        footer=escape(_footer(numbers)),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    write_atomic(path, page.encode(errors="backslashreplace"))  # a file's name need not be text


def _summary(findings: Findings, numbers: Overview) -> str:
    parts = ", ".join(f"{sum(counts.values()):,} {name}" for name, counts in numbers.splits.items())
    divided = f" ({parts})" if len(numbers.splits) > 1 else ""
    return escape(
        f"{counted(numbers.images, 'image')}{divided} of {len(numbers.classes)} classes; "
        f"{len(findings.images):,} could be read."
    )


def _footer(numbers: Overview) -> str:
    return (
        f"Looked at: {numbers.images:,} images of {numbers.data}, fingerprint {numbers.fingerprint}, by foveal "
        f"{foveal_version()} on {datetime.now().astimezone():%Y-%m-%d %H:%M}. No model ran: this does not count as opening "
        "the test split. Pictures are shown at the size of training."
    )


def _sections(findings: Findings, numbers: Overview, verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield _section("What was found", _verdicts(verdicts))
    yield _section("Images of each class", _counts(numbers.splits))
    yield _section("Sizes, formats and light", _numbers(numbers))
    if findings.unreadable:
        rows = [
            (each.path, f"{each.label}, {each.split}", each.reason.removeprefix(each.path))
            for each in findings.unreadable
        ]
        yield _section("Files that cannot be read", _table("Left out of everything else", ("file", "in", "why"), rows))
    if findings.suspicious:
        yield _section("Pictures that look out of place", _suspicious(findings))
    for title, groups in (("Exact copies", findings.copies), ("Near copies", findings.near_families)):
        if groups:
            yield _section(title, _groups(findings, findings.worst_first(groups)))
    yield _section("Pictures of each class", _samples(findings))


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>"


def _verdicts(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return "<p>Nothing was found that stands in the way of training and testing on these images.</p>"
    items = [
        f'<li class="{each.level}"><b>{each.level}</b>: {escape(_sentence(each.text))}{_examples(each.examples)}</li>'
        for each in verdicts
    ]
    return '<ul class="verdicts">\n{}\n</ul>'.format("\n".join(items))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _examples(examples: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in examples)}</ul>" if examples else ""


def _counts(splits: Mapping[str, Mapping[str, int]]) -> str:
    """A table of classes with a column and a piece of a bar for each split."""
    names, classes = list(splits), list(next(iter(splits.values())))
    totals = {each: sum(counts[each] for counts in splits.values()) for each in classes}
    longest = max(1, *totals.values())
    head = "".join(
        f'<th scope="col" class="number"><span class="key split-{i}"></span>{escape(name)}</th>'
        for i, name in enumerate(names)
    )
    rows = []
    for each in classes[:MAX_ROWS]:
        cells = "".join(f'<td class="number">{splits[name][each]:,}</td>' for name in names)
        bar = "".join(
            f'<i class="split-{i}" style="width:{100 * splits[name][each] / longest:.2f}%"></i>'
            for i, name in enumerate(names)
        )
        bars = f'<td class="bars"><div class="bar" aria-hidden="true">{bar}</div></td>'
        rows.append(f'<tr><th scope="row">{escape(each)}</th>{cells}{bars}</tr>')
    more = f"; the first {MAX_ROWS} of {len(classes)}" if len(classes) > MAX_ROWS else ""
    return (
        f'<div class="wide"><table><caption>Images by class and split{more}</caption>\n<thead><tr><th scope="col">class</th>'
        f'{head}<th scope="col"><span class="soft">together</span></th></tr></thead>\n'
        f"<tbody>\n{chr(10).join(rows)}\n</tbody></table></div>"
    )


def _numbers(numbers: Overview) -> str:
    sizes = numbers.sizes
    common = ", ".join(f"{size} ({count:,})" for size, count in sizes.common.items())
    several = [("smallest", sizes.smallest), ("median", sizes.median), ("largest", sizes.largest)]
    light = [f"{mean:.1f} ± {std:.1f}" for mean, std in zip(numbers.mean, numbers.std, strict=True)]
    rows = [
        ("sizes", f"{sizes.distinct:,}, most often {common}" if sizes.distinct > 1 else sizes.median),
        *(several if sizes.distinct > 1 else []),
        ("formats", _listed(numbers.formats)),
        ("colours", _listed(numbers.modes)),
        ("mean ± spread of the pixels, 0 to 255", " / ".join(light)),
    ]
    return _table("Height x width in pixels; pixels at the size of training", ("", ""), [row for row in rows if row[1]])


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in counts.items())


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column heads its rows; a head with names only where there are any."""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    head = f"<thead><tr>{names}</tr></thead>" if any(columns) else ""
    body = "\n".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(each)}</td>" for each in rest)}</tr>'
        for first, *rest in rows[:MAX_ROWS]
    )
    more = f"; the first {MAX_ROWS} of {len(rows):,}" if len(rows) > MAX_ROWS else ""
    inner = f"<caption>{escape(caption)}{more}</caption>{head}<tbody>\n{body}\n</tbody>"
    return f'<div class="wide"><table class="text">{inner}</table></div>'


def _suspicious(findings: Findings) -> str:
    reasons: dict[int, list[str]] = {}
    for each in findings.suspicious:
        reasons.setdefault(each.image, []).append(each.reason)
    first = sorted(reasons, key=lambda i: -len(reasons[i]))[:MAX_SUSPICIOUS]
    figures = [_figure(findings, i, "; ".join(reasons[i])) for i in first]
    more = f"<p>The first {len(first)} of {len(reasons):,}; --json has all.</p>" if len(reasons) > len(first) else ""
    return f'{more}<div class="pictures">\n{"".join(figures)}\n</div>'


def _groups(findings: Findings, groups: Sequence[Numbers]) -> str:
    images = findings.images
    parts = []
    for group in groups[:MAX_GROUPS]:
        shown = _various(findings, group)
        figures = "".join(_figure(findings, i, f"{images.label(i)}, {images.split(i)}") for i in shown)
        doubts = [
            text
            for is_so, text in (
                (findings.is_across(group), "across splits"),
                (findings.has_several_labels(group), "different labels"),
            )
            if is_so
        ]
        title = ", ".join([counted(len(group), "image"), *doubts])
        parts.append(f'<div class="group"><h3>{escape(title)}</h3><div class="pictures">{figures}</div></div>')
    more = len(groups) - MAX_GROUPS
    text = f"<p>The first {MAX_GROUPS} of {len(groups):,} groups, those across splits first; --json has all.</p>"
    joined = "\n".join(parts)
    return f'{text if more > 0 else ""}<div class="groups">\n{joined}\n</div>'


def _various(findings: Findings, group: Numbers) -> list[int]:
    """Some images of a group, one of each split and label first."""
    images = findings.images
    keys = np.stack([images.part[group], images.labels[group]], axis=1)
    _, firsts = np.unique(keys, axis=0, return_index=True)
    order = [*np.sort(firsts).tolist(), *np.setdiff1d(np.arange(len(group)), firsts).tolist()]
    return [int(group[i]) for i in order[:MAX_OF_GROUP]]


def _figure(findings: Findings, image: int, caption: str) -> str:
    name = findings.images.short_name(image)
    return (
        f"<figure>{picture(findings.images.picture(image), f'{findings.images.label(image)}: {name}')}"
        f"<figcaption>{escape(caption)}<br>{escape(name)}</figcaption></figure>\n"
    )


def _samples(findings: Findings) -> str:
    images, rows = findings.images, []
    per_class = min(MAX_PER_CLASS, max(1, MAX_SAMPLES // len(images.classes)))
    for k, name in enumerate(images.classes[:MAX_SAMPLES]):
        members = np.flatnonzero(images.labels == k)
        evenly = np.unique(np.linspace(0, max(0, len(members) - 1), per_class, dtype=np.int64))
        chosen = members[evenly[: len(members)]].tolist()
        shown = "".join(picture(images.picture(i), f"{name}: {images.short_name(i)}", side=72) for i in chosen)
        rows.append(f'<h3>{escape(name)}</h3>\n<div class="pictures">{shown}</div>')
    left = len(images.classes) - MAX_SAMPLES
    return "\n".join(rows) + (f"<p>{left} more classes are not shown.</p>" if left > 0 else "")
