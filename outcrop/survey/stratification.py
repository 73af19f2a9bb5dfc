"""Sharing blocks out to splits so that every class reaches every split.

Iterative stratification (Sechidis, Tsoumakas, Vlahavas: "On the Stratification of Multi-Label Data", ECML PKDD 2011),
with blocks in the place of examples and cells in the place of labels. One thing differs: a block goes to the split that
most wants all that it holds, not only its rarest class, because the classes of a map share their blocks.
"""

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Codes = NDArray[np.uint8]


def stratify(counts: Counts, shares: NDArray[np.float64], earlier: Codes, seed: int) -> Codes:
    """Assign blocks to splits, the rarest class first.

    Parameters
    ----------
    counts : (blocks, classes + 1) cells of each class in each block; the last column counts all cells it can offer
    shares : (splits,) share of the cells that each split wants, summing to 1; a split with share 0 gets no block
    earlier : (blocks,) 1 + index of the split of the blocks that are assigned already, which never move; else 0
    seed : breaks ties between equal blocks

    Returns
    -------
    (blocks,) 1 + index of the split; 0 for a block without cells
    """
    draft = _Draft(counts, shares, earlier)
    order = np.random.default_rng(seed).permutation(len(counts))
    open_blocks = (earlier == 0) & (counts[:, -1] > 0)
    while open_blocks.any():
        left = draft.present[open_blocks].sum(axis=0)
        column = _rarest(left[:-1])
        candidates = order[open_blocks[order]]
        block = int(candidates[np.argmax(counts[candidates, column])])
        draft.assign(block, draft.neediest(block, column, int(left[column])))
        open_blocks[block] = False
    draft.repair()
    return draft.codes


def _rarest(left: NDArray[np.intp]) -> int:
    """The class with the fewest open blocks; the last column when no class has any."""
    return int(np.argmin(np.where(left > 0, left, np.iinfo(left.dtype).max))) if left.any() else -1


class _Draft:
    """An assignment in the making: what each split still wants, and how many blocks of each class it has."""

    def __init__(self, counts: Counts, shares: NDArray[np.float64], earlier: Codes) -> None:
        self.counts, self.present = counts, counts > 0
        self.totals = np.maximum(counts.sum(axis=0), 1)
        self.shares = shares
        self.splits = np.flatnonzero(shares > 0)
        self.codes = earlier.copy()
        self.wanted = shares[:, None] * counts.sum(axis=0)
        self.reached = np.zeros((len(shares), counts.shape[1]), dtype=np.int64)
        self.fixed = earlier > 0
        for block in np.flatnonzero(self.fixed):
            self.assign(int(block), int(earlier[block]) - 1)

    def assign(self, block: int, split: int) -> None:
        """Give a block to a split."""
        self.codes[block] = split + 1
        self.wanted[split] -= self.counts[block]
        self.reached[split] += self.present[block]

    def withdraw(self, block: int) -> None:
        """Take a block from its split."""
        split = int(self.codes[block]) - 1
        self.wanted[split] += self.counts[block]
        self.reached[split] -= self.present[block]

    def neediest(self, block: int, column: int, left: int) -> int:
        """The split that wants a block most; one that has none of a class of which only ``left`` blocks are left.

        Wants are relative to what a split wants in all, so that large and small splits fill at the same pace, and are
        weighted by the block's share of each class.
        """
        splits = self.splits
        lacking = splits[self.reached[splits, column] == 0]
        if column != -1 and len(lacking) > 0 and left <= len(lacking):
            splits = lacking
        want = (self.wanted[splits] / self.shares[splits, None] / self.totals) @ (self.counts[block] / self.totals)
        return int(splits[np.argmax(want)])

    def repair(self) -> None:
        """Move single blocks so that a class with enough blocks reaches the splits that the greedy pass left out."""
        columns = self.counts.shape[1] - 1
        enough = self.present[:, :columns].sum(axis=0) >= len(self.splits)
        for column in np.flatnonzero(enough):
            for split in self.splits[self.reached[self.splits, column] == 0]:
                block = self._spare_block(int(column), enough)
                if block is not None:
                    self.withdraw(block)
                    self.assign(block, int(split))

    def _spare_block(self, column: int, enough: NDArray[np.bool_]) -> int | None:
        """The smallest block of a class whose split can do without it."""
        blocks = np.flatnonzero(self.present[:, column] & ~self.fixed)
        for block in blocks[np.argsort(self.counts[blocks, -1], kind="stable")]:
            others = self.reached[int(self.codes[block]) - 1, :-1] - self.present[block, :-1]
            if not (self.present[block, :-1] & enough & (others == 0)).any():
                return int(block)
        return None
