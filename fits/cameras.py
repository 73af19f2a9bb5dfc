"""Fits Gaussians to the sensitivities of real cameras: `python -m fits.cameras` writes the table.

Measured curves: AcademySoftwareFoundation/rawtoaces-data, commit e9b8503c, Apache-2.0. They are not copied: the table
holds what was fitted, and by how much it is off.
"""

import csv
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from outcrop.survey.simulation.cameras import CAMERAS
from outcrop.survey.surveys import DATA_VARIABLE

#: The cameras of drones, and such as fly below them or are carried in the field.
NAMES = (
    "Hasselblad_L1D-20c",
    "Hasselblad_L2D-20c",
    "Sony_ILCE-7RM2",
    "Sony_DSC-RX100M4",
    "Canon_EOS_5D_Mark_II",
    "Canon_EOS_R5",
    "Nikon_D5100",
    "Panasonic_DC-GX9",
)
#: Gaussians a channel, and where they start (um): the main lobe first, then its shoulders and the far leaks.
STARTS = {
    "red": (0.60, 0.64, 0.55, 0.44),
    "green": (0.53, 0.56, 0.48, 0.62),
    "blue": (0.46, 0.43, 0.49, 0.56),
}
Floats = NDArray[np.float64]


def measured() -> dict[str, tuple[Floats, Floats]]:
    """Wavelengths (B,) in um and sensitivities (3, B) of each camera, the highest 1."""
    source = Path(os.environ[DATA_VARIABLE]) / "spectra/camera_rgb_sensitivity.csv"
    with source.open(encoding="utf-8", newline="") as text:
        rows = [row for row in csv.DictReader(text) if row["camera"] in NAMES]
    curves = {}
    for name in NAMES:
        values = np.array([[float(row[key]) for key in ("wavelength_nm", "R", "G", "B")] for row in rows
                           if row["camera"] == name]).T  # fmt: skip
        curves[name] = values[0] / 1000, values[1:] / values[1:].max()
    return curves


def fit(wavelengths: Floats, curve: Floats, starts: tuple[float, ...]) -> tuple[Floats, float]:
    """Centre, sigma and height (terms, 3) of the Gaussians, and the RMSE relative to the curve's peak."""
    centres = np.array(starts)
    heights = np.interp(centres, wavelengths, curve)
    start = np.stack([centres, np.full(len(centres), 0.03), np.maximum(heights, 0.01)])
    lower = np.stack([centres - 0.05, np.full(len(centres), 0.008), np.zeros(len(centres))])
    upper = np.stack([centres + 0.05, np.full(len(centres), 0.08), np.full(len(centres), 1.2)])

    def misfit(parameters: Floats) -> Floats:
        centre, sigma, height = parameters.reshape(3, -1, 1)
        terms = height * np.exp(-0.5 * ((wavelengths - centre) / sigma) ** 2)
        return np.asarray(terms.sum(axis=0) - curve)

    found = least_squares(misfit, start.ravel(), bounds=(lower.ravel(), upper.ravel()), max_nfev=2000)
    return found.x.reshape(3, -1).T, float(np.sqrt(np.mean(found.fun**2)) / curve.max())


def main() -> None:
    """Write the table and print the fit errors."""
    errors = []
    with CAMERAS.open("w", encoding="utf-8", newline="") as text:
        text.write("# Spectral sensitivity of colour cameras, the highest of each camera 1: sums of Gaussians.\n")
        text.write("# Fitted by `python -m fits.cameras` to curves of rawtoaces-data, commit e9b8503c (Apache-2.0,\n")
        text.write("# Academy Software Foundation). `rmse` is relative to the channel's peak, 380-780 nm.\n")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["camera", "channel", "centre_um", "sigma_um", "height", "rmse"])
        for name, (wavelengths, curves) in measured().items():
            for (channel, starts), curve in zip(STARTS.items(), curves, strict=True):
                terms, rmse = fit(wavelengths, curve, starts)
                errors.append(rmse)
                for centre, sigma, height in terms[terms[:, 2] > 0.003]:
                    table.writerow([name, channel, f"{centre:.4f}", f"{sigma:.4f}", f"{height:.4f}", f"{rmse:.4f}"])
    print(f"{len(NAMES)} cameras, RMSE of a channel: median {np.median(errors):.4f}, worst {max(errors):.4f}")


if __name__ == "__main__":
    main()
