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
    kept = "" if metrics["student"]["kept"] == "distilled" else " That one is kept, for so it is on validation blocks."
    return (
        f"The student reaches macro-F1 {student:.3f}, {comparison['retention']:.0%} of the teacher's {teacher:.3f}; "
        f"distillation {effect} here: {gain} against the same network trained on labels alone.{kept}"
    )
