"""Fits Gaussians to the absorption by gases in a reference atmosphere: `python -m fits.atmosphere` writes the table.

The reference is ASTM G173-03: the direct beam at the ground over that above the atmosphere, for air mass 1.5. Taking
off molecules and aerosol leaves the gases. The spectrum itself is not copied: the table holds what was fitted.
"""

import csv
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from outcrop.survey.simulation.atmosphere import AIR_MASS, GASES, rayleigh_depth
from outcrop.survey.surveys import DATA_VARIABLE

#: Width (um, full width at half maximum) of the spectrometer that the table is for, and its sampling.
FWHM, STEP = 0.010, 0.004
#: The reference's aerosol: optical depth at 0.5 um, exponent.
AEROSOL, EXPONENT = 0.084, 1.14
#: Bands of less optical depth are left out of the table.
LEAST_DEPTH = 0.005
#: Where each gas starts: centres (um) of its bands.
STARTS = {
    "o3": [0.60],
    "o2": [0.628, 0.688, 0.7605, 0.768, 1.268],
    "h2o": [
        *(0.652, 0.698, 0.719, 0.73, 0.796, 0.816, 0.83, 0.903, 0.918, 0.935, 0.95, 0.965, 0.985),
        *(1.085, 1.115, 1.13, 1.147, 1.17, 1.2, 1.31, 1.34, 1.365, 1.385, 1.41, 1.435, 1.475, 1.5),
        *(1.73, 1.77, 1.80, 1.83, 1.87, 1.91, 1.94, 1.97, 2.20, 2.37, 2.42, 2.46, 2.51),
    ],
    "co2": [1.575, 1.606, 1.995, 2.012, 2.03, 2.06, 2.075],
    "ch4": [1.66, 2.17, 2.26, 2.31, 2.34],
}
Floats = NDArray[np.float64]


def measured(first: float, last: float) -> tuple[Floats, Floats, Floats]:
    """Wavelengths (B,) in um, sunlight above the air and in the direct beam below it (W m-2 nm-1), seen at `FWHM`."""
    source = Path(os.environ[DATA_VARIABLE]) / "spectra/solar_astm_g173.csv"
    with source.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    wavelengths, above, below = (
        np.array([float(row[key]) for row in rows])
        for key in ("wavelength_nm", "extraterrestrial_W_m2_nm", "direct_circumsolar_W_m2_nm")
    )
    wavelengths = wavelengths / 1000
    centres = np.arange(first, last, STEP)
    response = np.exp(-4 * np.log(2) * ((wavelengths - centres[:, None]) / FWHM) ** 2) * np.gradient(wavelengths)
    response /= response.sum(axis=1, keepdims=True)
    return centres, response @ above, response @ below


def reference() -> tuple[Floats, Floats]:
    """Wavelengths (B,) in um, and the gases' transmittance (B,) at air mass 1.5."""
    wavelengths, above, below = measured(0.36, 2.52)
    scattered = rayleigh_depth(wavelengths) + AEROSOL * (wavelengths / 0.5) ** -EXPONENT
    return wavelengths, below / above * np.exp(AIR_MASS * scattered)


def fit(wavelengths: Floats, transmittance: Floats) -> tuple[list[tuple[str, float, float, float]], float]:
    """Gas, centre, sigma (um) and optical depth at air mass 1.5 of each Gaussian, and the RMSE of the transmittance."""
    gases = [gas for gas, centres in STARTS.items() for _ in centres]
    centres = np.array([centre for starts in STARTS.values() for centre in starts])
    broad = np.array([gas == "o3" for gas in gases])
    start = np.stack([centres, np.where(broad, 0.04, 0.010), np.full(len(gases), 0.2)])
    lower = np.stack([centres - 0.02, np.full(len(gases), 0.003), np.zeros(len(gases))])
    upper = np.stack([centres + 0.02, np.where(broad, 0.08, 0.04), np.full(len(gases), 12.0)])

    def misfit(parameters: Floats) -> Floats:
        return model(parameters) - transmittance

    def model(parameters: Floats) -> Floats:
        middle, sigma, depth = parameters.reshape(3, -1, 1)
        return np.asarray(np.exp(-(depth * np.exp(-0.5 * ((wavelengths - middle) / sigma) ** 2)).sum(axis=0)))

    found = least_squares(misfit, start.ravel(), bounds=(lower.ravel(), upper.ravel()), max_nfev=400)
    bands = [
        (gas, float(centre), float(sigma), float(depth))
        for gas, (centre, sigma, depth) in zip(gases, found.x.reshape(3, -1).T, strict=True)
        if depth > LEAST_DEPTH
    ]
    return bands, float(np.sqrt(np.mean(found.fun**2)))


def main() -> None:
    """Write the table and print its fit error."""
    bands, rmse = fit(*reference())
    with GASES.open("w", encoding="utf-8", newline="") as text:
        text.write("# Absorption by gases at air mass 1.5, seen at 10 nm: Gaussians in optical depth.\n")
        text.write("# Fitted by `python -m fits.atmosphere` to ASTM G173-03 (NREL SMARTS 2.9.2), which holds 1.42 cm\n")
        text.write(f"# of water. RMSE of the transmittance, 0.36-2.52 um: {rmse:.4f}.\n")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["gas", "centre_um", "sigma_um", "depth"])
        table.writerows([gas, f"{centre:.4f}", f"{sigma:.4f}", f"{depth:.3f}"] for gas, centre, sigma, depth in bands)
    print(f"{len(bands)} bands, RMSE of the transmittance {rmse:.4f}")


if __name__ == "__main__":
    main()
