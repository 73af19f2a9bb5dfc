"""What the numbers say, in one sentence."""

from collections.abc import Mapping
from typing import Any


def verdict(metrics: Mapping[str, Any]) -> str:
    """One sentence on what distillation did here."""
    comparison = metrics["comparison"]
    low, high = comparison["interval"]["gain"]
    gain = f"{comparison['gain']:+.3f} macro-F1 (95 % interval {low:+.3f} to {high:+.3f})"
    if low > 0:
        effect = "helps"
    elif high < 0:
        effect = "hurts"
    else:
        effect = "makes no certain difference"
    student, teacher = metrics["distilled"]["macro_f1"], metrics["teacher"]["macro_f1"]
    told = (
        f"The distilled student reaches macro-F1 {student:.3f}, {comparison['retention']:.0%} of the teacher's "
        f"{teacher:.3f}; distillation {effect} here: {gain} against the same network trained on labels alone."
    )
    if metrics["student"]["kept"] == "control":
        told += " The control is kept: distillation hurts on the validation blocks."
    return told
