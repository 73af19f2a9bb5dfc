"""The graph of an archive's records: what a thing was made from, and what was made from it.

It is built of all that can be read: an audit says what cannot, and goes on.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import networkx as nx

from outcrop.errors import RecordError
from outcrop.record.archives import Archive
from outcrop.record.ledger import Entry
from outcrop.record.records import Record

#: Kinds of records that are about other records: they make nothing.
DECISIONS = ("promotion", "refusal", "retraction")


class Lineage:
    """All records that the ledger names, in its order, and their edges.

    ``damaged`` says of every record that cannot be read why not.
    """

    def __init__(self, archive: Archive) -> None:
        self.entries: dict[str, Entry] = {entry.record: entry for entry in archive.ledger.readable()}
        self.records: dict[str, Record] = {}
        self.damaged: dict[str, str] = {}
        for name in self.entries:
            try:
                self.records[name] = archive.read(name)
            except RecordError as error:
                self.damaged[name] = str(error)

    @cached_property
    def graph(self) -> Any:
        """The directed graph; edges run from what something was made from to what was made."""
        graph = nx.DiGraph()
        graph.add_nodes_from(self.entries)
        for child, record in self.records.items():
            graph.add_edges_from((parent, child) for parent in record.inputs.values())
        return graph

    def ancestors(self, record: str) -> list[str]:
        """What a record was made from, directly or not, oldest first."""
        return self._ordered(nx.ancestors(self.graph, record))

    def descendants(self, records: Iterable[str]) -> list[str]:
        """What was made from any of some records, directly or not, oldest first."""
        found: set[str] = set()
        for record in records:
            found |= nx.descendants(self.graph, record)
        return self._ordered(found)

    def _ordered(self, records: Iterable[str]) -> list[str]:
        return sorted(records, key=lambda name: self.entries[name].number if name in self.entries else 0)

    def of_kind(self, *kinds: str) -> list[str]:
        """Records of some kinds, oldest first."""
        return [name for name, record in self.records.items() if record.kind in kinds]

    def retractions(self) -> dict[str, Record]:
        """What was retracted: by the retracted record, the record that says why; the downstream is not in it."""
        found = {}
        for name in self.of_kind("retraction"):
            for retracted in self.records[name].inputs.values():
                found[retracted] = self.records[name]
        return found

    def retracted(self, record: str) -> Record | None:
        """The retraction that a record falls under: its own, or that of something it was made from."""
        if record not in self.graph:
            return None
        said = self.retractions()
        return next((said[name] for name in (record, *self.ancestors(record)) if name in said), None)
