"""The lineage of a model as OpenLineage events, one a step: https://openlineage.io/spec/.

They go to a file. Whoever sets OpenLineage's own variables (``OPENLINEAGE_CONFIG``, ``OPENLINEAGE_URL``) sends them
there instead.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from outcrop.record.audits import Chain
from outcrop.record.records import Record

PRODUCER = "urn:outcrop"


def emit_events(chain: Chain, path: Path) -> Path | None:
    """Send the events of a model's lineage; gives the file that they were written to, if it is a file."""
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.file import FileConfig, FileTransport

    elsewhere = any(name.startswith("OPENLINEAGE_") for name in os.environ)
    if elsewhere:
        client = OpenLineageClient()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        client = OpenLineageClient(transport=FileTransport(FileConfig(log_file_path=str(path), append=True)))
    for event in _events(chain):
        client.emit(event)
    client.close()
    return None if elsewhere else path


def _events(chain: Chain) -> Iterator[Any]:
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import dataset_version_dataset, source_code_location_job

    lineage = chain.lineage
    for name, record in chain.records():
        if record.made is None or name not in lineage.entries:
            continue
        code: dict[str, Any] = {}
        if record.made.commit:
            code["sourceCodeLocation"] = source_code_location_job.SourceCodeLocationJobFacet(
                type="git", url="file:.", version=record.made.commit
            )
        parents = [lineage.records[each] for each in record.inputs.values() if each in lineage.records]
        version = dataset_version_dataset.DatasetVersionDatasetFacet
        yield RunEvent(
            eventType=RunState.COMPLETE,
            eventTime=lineage.entries[name].time,
            run=Run(runId=str(uuid5(NAMESPACE_URL, name))),
            job=Job(namespace=_namespace(record), name=record.name, facets=code),
            producer=PRODUCER,
            inputs=[
                InputDataset(_namespace(each), each.name, facets={"version": version(datasetVersion=each.id)})
                for each in parents
            ],
            outputs=[
                OutputDataset(_namespace(record), record.name, facets={"version": version(datasetVersion=name)}),
            ],
        )


def _namespace(record: Record) -> str:
    return f"outcrop/{record.survey}"
