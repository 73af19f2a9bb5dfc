"""The page of a site's last date, and the same as data and in sentences."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import floor, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table

from outcrop.field.onboarding_pictures import before_after_picture
from outcrop.field.series import Moment, comparable
from outcrop.field.series_charts import series_picture
from outcrop.record.formats import Picture
from outcrop.record.monitoring import AreaRow, DateRow, Monitoring, SignRow, write_monitoring
from outcrop.record.provenance import code_digest
from outcrop.survey.sites import Site
from tasks.dates import Kept
from tasks.jobs import Job
from tasks.monitor import CLASSES, Charted, read_codes
from tasks.notices import notices_of

Facts = Mapping[str, Any]
#: Cells along the longer side of the maps on the page, at most.
SIDE = 400
#: Classes with a smaller corrected share, and causes with a smaller share of the variance, are not told.
SMALL = 0.005


def tell(job: Job, site: Site, dates: Sequence[Kept], now: Charted, then: Charted | None) -> dict[str, Any]:
    """Write the page of the last of some dates, note it in MLflow's run, and give the result of the command."""
    last = dates[-1]
    page = job.workspace.root / "reports" / f"{job.survey.survey}-{site.name}-{job.parent[:8]}.html"
    page.parent.mkdir(exist_ok=True)
    write_monitoring(_page(job, site, dates, now, then), page)
    moments = comparable([each.moment for each in dates], last.moment)
    result = {
        "survey": job.survey.survey,
        "site": site.name,
        "run_id": job.parent,
        **{name: value for name, value in last.facts.items() if name not in ("site", "variance", "mapped")},
        "series": [_row(each) for each in moments],
        "map": str(now.folder),
        "record": last.record,
        "report": str(page),
    }
    written = job.workspace.state / "work" / job.parent / "result.json"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(json.dumps(result, indent=1, allow_nan=False))
    run = job.tracker.of(job.parent)
    run.metrics(
        {
            "uptake": vars(last.moment.uptake),
            "change": {name: value for name, value in last.facts["change"].items() if name != "reason"},
            "drift": {sign["where"] + "." + sign["name"]: sign["p_value"] for sign in last.facts["drift"]["signs"]},
        }
    )
    run.tags({"drift": last.moment.drift, "outcrop.monitoring": last.record})
    run.files([written, page])
    return result


def _row(moment: Moment) -> dict[str, Any]:
    return {
        "scene": moment.scene,
        "acquired": moment.acquired.isoformat(),
        **vars(moment.uptake),
        "changed": moment.changed,
        "drift": moment.drift,
    }


def _page(job: Job, site: Site, dates: Sequence[Kept], now: Charted, then: Charted | None) -> Monitoring:
    facts, last = dates[-1].facts, dates[-1].moment
    moments = comparable([each.moment for each in dates], last)
    apart = len(dates) - len(moments)
    said = sentences(facts)
    return Monitoring(
        title=f"{job.survey.sites[site.name].title or site.name}, {facts['acquired']}",
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        screening=facts["screening"],
        verdict=[said["estimate"], said["change"], said["drift"], said["labels"]],
        uptake=last.uptake.p50,
        uptake_ends=(last.uptake.p5, last.uptake.p95),
        naive=facts["naive"],
        unit=facts["unit"],
        digits=digits_of(last.uptake.p50),
        change=said["change"],
        drift=said["drift"],
        signs=[SignRow(each["where"], each["sentence"], each["p_value"]) for each in facts["drift"]["signs"]],
        labels=said["labels"],
        events=list(notices_of(facts)),
        series=[
            DateRow(
                each.acquired.isoformat(),
                each.scene,
                each.uptake.p50,
                (each.uptake.p5, each.uptake.p95),
                {None: "not told", True: "yes", False: "none beyond chance"}[each.changed],
                each.drift,
            )
            for each in moments
        ],
        left_out=f"{apart} earlier dates were estimated with another profile, and are not drawn." if apart else "",
        areas=[
            AreaRow(name, each["p50"], (each["p5"], each["p95"]), facts["mapped"][name])
            for name, each in sorted(facts["areas"].items(), key=lambda item: -item[1]["p50"])
            if each["p95"] >= SMALL
        ],
        causes={
            name: share
            for name, share in sorted(facts["variance"].items(), key=lambda item: -item[1])
            if share >= SMALL
        },
        chart=Picture(series_picture(moments), f"{facts['unit']} of {site.name} by date, with P5 to P95"),
        maps=_maps(site, facts, dates, now, then),
        facts={
            "site": job.hashes[site.name],
            "scene": facts["scene"],
            "model": facts["called"],
            "its digest": facts["model"],
            "record": dates[-1].record,
            "map": now.folder.relative_to(job.workspace.root).as_posix(),
            "run": job.parent,
            "commit": (job.commit.sha or "not a git checkout") + (", with changes" if job.commit.dirty else ""),
            "source digest": code_digest("tasks.bulletin"),
            "seed": job.params.seed,
        },
    )


def _maps(site: Site, facts: Facts, dates: Sequence[Kept], now: Charted, then: Charted | None) -> Picture:
    after = read_codes(now.folder / CLASSES)
    stride = -(-max(after.shape) // SIDE)
    title = f"{facts['scene']}, {facts['acquired']}"
    maps: dict[str, NDArray[np.uint8]] = {}
    if then is not None:
        before, earlier = read_codes(then.folder / CLASSES), dates[-2].facts
        if before.shape == after.shape:
            maps[f"{earlier['scene']}, {earlier['acquired']}"] = before[::stride, ::stride]
    maps[title] = after[::stride, ::stride]
    names, colours = zip(*[(entry.name, entry.colour) for entry in site.classes], strict=True)
    drawn = before_after_picture(maps, names, colours, stride, differing="where they differ, changed or not")
    return Picture(drawn, f"The map of {site.name}" + (" on both dates, and where they differ" * (len(maps) > 1)))


def digits_of(value: float) -> int:
    """Decimals that leave three significant digits."""
    return max(0, 2 - floor(log10(abs(value)))) if value else 2


def sentences(facts: Facts) -> dict[str, str]:
    """The estimate, change, drift and the age of the labels, a sentence each."""
    ends = facts["net"] or facts["gross"]
    digits = digits_of(ends["p50"])
    low, middle, high = (f"{ends[name]:,.{digits}f}" for name in ("p5", "p50", "p95"))
    called = "net uptake" if facts["net"] else "uptake"
    return {
        "estimate": f"The {called} is {middle} {facts['unit']} ({low} to {high}); claim no more than {low}.",
        "change": _change(facts["change"]),
        "drift": _drift(facts["drift"]),
        "labels": _labels(facts["labels"]),
    }


def _change(found: Facts) -> str:
    if "reason" in found:
        return f"Change since the date before is not told: {found['reason'].rstrip('.')}."
    share = f"{found['share']:.1%} of the feedstock ({found['low']:.1%} to {found['high']:.1%})"
    if found["alarm"]:
        return f"The ground has changed: a net {share} turned into products since the date before."
    chance = "chance gives as much once in " + (
        f"{1 / found['p_value']:.0f} pairs" if found["p_value"] < 0.5 else "two"
    )
    return f"No change beyond what two maps of unchanged ground differ by: net {share}; {chance}."


def _drift(found: Facts) -> str:
    words = {
        "sensor": "The sensor has drifted",
        "geology": "The ground shows rock that was not there",
        "sensor and geology": "Sensor and ground have both changed",
        "unclear": "The ground or the sensor is new to the model",
    }
    untold = "".join(f" {sentence[0].upper()}{sentence[1:]}." for sentence in found.get("untold", ()))
    if found["kind"] != "none":
        told = "; ".join(f"{sign['sentence']} ({sign['where']})" for sign in found["signs"])
        return f"{words[found['kind']]}: {told}.{untold}"
    if not found["tests"]:
        return "Drift is not told: there is nothing to compare with."
    dates = {0: "no earlier date", 1: "one earlier date"}.get(found["compared"], f"{found['compared']} earlier dates")
    return f"No drift, by {found['tests']} tests that share the chance of a false alarm; compared with {dates}.{untold}"


def _labels(found: Facts) -> str:
    if found["days"] is None:
        return "How old the model's labels are is not known: the data that it learnt from are not here."
    if found["days"] <= 0:
        return "The model's labels are not older than the scene."
    expired = "expired: " if found["expired"] else ""
    return f"The model's labels are {expired}{found['days']} days older than the scene."


def series_table(result: Facts) -> Table:
    """All dates of the site."""
    table = Table(title=f"{result['site']}, {result['unit']}", title_justify="left", box=SIMPLE_HEAD)
    for name in ("date", "scene"):
        table.add_column(name, no_wrap=True)
    table.add_column("P50 (P5 to P95)", justify="right", no_wrap=True)
    for name in ("change", "drift"):
        table.add_column(name)
    for row in result["series"]:
        digits = digits_of(row["p50"])
        ends = f"{row['p50']:,.{digits}f} ({row['p5']:,.{digits}f} to {row['p95']:,.{digits}f})"
        changed = {None: "-", True: "yes", False: "no"}[row["changed"]]
        table.add_row(row["acquired"], row["scene"], ends, changed, row["drift"])
    return table
