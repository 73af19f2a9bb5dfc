"""A user's own spectral library: files as the two libraries write them, and every way in which they can be wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from outcrop.errors import SurveyError
from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.simulation.libraries import load_library, read_spectra

ASD = np.linspace(0.35, 2.5, 431)
GREEN = 0.2 + 0.1 * np.sin(5 * ASD)


def write_splib(path: Path, name: str, values: np.ndarray, spectrometer: str = "ASDFRb") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f" splib07a Record=1234: {name}   {spectrometer} AREF", *(f" {value:.7e}" for value in values)]
    path.write_text("\n".join(lines) + "\n", encoding="latin-1")


def write_wavelengths(folder: Path, wavelengths: np.ndarray = ASD, tag: str = "ASD") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [" splib07a Record=23: Wavelengths", *(f" {value:.6f}" for value in wavelengths)]
    (folder / f"splib07a_Wavelengths_{tag}_0.35-2.5_microns_{len(wavelengths)}_ch.txt").write_text("\n".join(lines))


def write_ecostress(path: Path, name: str, values: np.ndarray, wavelengths: np.ndarray = ASD, **changes: str) -> None:
    header = {
        "Name": name,
        "Type": "mineral",
        "Description": "Ground at 20\xb0: fine.",
        "X Units": "Wavelength (micrometers)",
        "Y Units": "Reflectance (percentage)",
    } | changes
    lines = [f"{key}: {value}" for key, value in header.items() if value]
    rows = [f"{x:10.4f}\t{y:10.4f}" for x, y in zip(wavelengths, values, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, "", *rows]), encoding="latin-1")


def drawn(folder: Path, endmember: str, weights: np.ndarray) -> np.ndarray:
    return np.exp(load_library(folder).reflecting[endmember].log_reflectance(weights, ASD))


def test_usgs_files_are_read_with_their_wavelengths_and_without_deleted_channels(tmp_path: Path) -> None:
    write_wavelengths(tmp_path)
    write_wavelengths(tmp_path, np.linspace(0.2, 3, 431), tag="BECK")
    values = GREEN.copy()
    values[100:103] = -1.23e34
    write_splib(tmp_path / "minerals" / "splib07a_Antigorite_X1_ASDFRb_AREF.txt", "Antigorite X1", values)
    spectra, thermal = read_spectra(tmp_path)
    assert (spectra[0].endmember, len(spectra[0].wavelengths), thermal) == ("serpentine", 428, 0)
    np.testing.assert_allclose(drawn(tmp_path, "serpentine", np.ones(1)), GREEN, atol=1e-3)


def test_ecostress_files_are_read_in_either_order_and_unit(tmp_path: Path) -> None:
    write_ecostress(tmp_path / "a.txt", "Calcite CaCO_3", 100 * GREEN[::-1], ASD[::-1])
    units = {"X Units": "Wavelength (nanometers)", "Y Units": "Reflectance (fraction)"}
    write_ecostress(tmp_path / "b.txt", "Calcite", GREEN, 1000 * ASD, **units)
    np.testing.assert_allclose(drawn(tmp_path, "calcite", np.array([1, 0])), GREEN, atol=2e-3)
    np.testing.assert_allclose(drawn(tmp_path, "calcite", np.array([0, 1])), GREEN, atol=2e-3)


def test_what_a_spectrum_is_of(tmp_path: Path) -> None:
    write_ecostress(tmp_path / "a.txt", "Diopside CaMgSi_2O_6", 100 * GREEN)
    write_ecostress(tmp_path / "b.txt", "Brown loam", 100 * GREEN, Type="soil")
    write_ecostress(tmp_path / "c.txt", "Quercus agrifolia", 100 * GREEN, Type="vegetation")
    write_ecostress(tmp_path / "magnetite" / "d.txt", "Black sand", 100 * GREEN)
    found = [spectrum.endmember for spectrum in read_spectra(tmp_path)[0]]
    assert found == ["clinopyroxene", "soil", "green_vegetation", "magnetite"]


def test_what_the_folder_lacks_stays_from_the_tables_and_is_reported(tmp_path: Path) -> None:
    write_ecostress(tmp_path / "a.txt", "Olivine", 100 * GREEN)
    write_ecostress(tmp_path / "b.tir.txt", "Olivine", np.full(50, 5), np.linspace(2.5, 14, 50))
    (tmp_path / "a.ancillary.txt").write_text("nothing to read")
    library, tables = load_library(tmp_path), load_library()
    assert library.reflecting["calcite"] is tables.reflecting["calcite"]
    assert library.reflecting["olivine"] is not tables.reflecting["olivine"]
    held, lacking, thermal = library.notes
    assert held.endswith("olivine (1)")
    assert "calcite" in lacking
    assert "olivine" not in lacking
    assert thermal.startswith("1 thermal")
    assert tables.notes == ()


def test_other_endmembers_are_drawn_as_without_the_folder(tmp_path: Path) -> None:
    write_ecostress(tmp_path / "a.txt", "Olivine", 100 * GREEN)
    own, without = (each.draw(np.random.default_rng(4)) for each in (load_library(tmp_path), load_library()))
    same = (own.reflectance(ASD) == without.reflectance(ASD)).all(axis=1)
    assert same.tolist() == [name != "olivine" for name in ENDMEMBERS]


def lay(**changes: str) -> Callable[[Path], None]:
    return lambda folder: write_ecostress(folder / "x.txt", "Olivine", 100 * GREEN, **changes)


def lay_text(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "x.txt").write_text(text) and None


def cut_splib(folder: Path) -> None:
    write_wavelengths(folder)
    write_splib(folder / "x.txt", "Olivine GDS70", GREEN[:400])


def break_splib(folder: Path) -> None:
    write_wavelengths(folder)
    write_splib(folder / "x.txt", "Olivine GDS70", GREEN)
    (folder / "x.txt").write_text((folder / "x.txt").read_text().replace(" 2.", " two.", 1))


HEADER = "Name: Olivine\nX Units: Wavelength (micrometers)\nY Units: Reflectance (percent)\n\n"
BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty folder": (lambda folder: None, "holds no reflectance spectrum"),
    "empty file": (lay_text(""), "neither a spectrum of USGS splib07 nor one of ECOSTRESS"),
    "some other text": (lay_text("a,b\nc,d\n"), "it has no line `Name:`"),
    "no units": (lay(**{"X Units": ""}), "it has no line `X Units:`"),
    "wavenumbers": (lay(**{"X Units": "Wavenumber (cm-1)"}), "not micrometres or nanometres"),
    "transmittance": (lay(**{"Y Units": "Transmittance (percent)"}), "not reflectance"),
    "unknown mineral": (
        lambda folder: write_ecostress(folder / "x.txt", "Alunite KAl_3", 100 * GREEN),
        "`Alunite KAl_3` is none of the endmembers olivine, ",
    ),
    "half the wavelengths": (
        lambda folder: write_ecostress(folder / "x.txt", "Olivine", 100 * GREEN[:200], ASD[:200]),
        "it covers 0.35-1.34 um, a spectrum of an endmember must cover 0.45-2.40 um",
    ),
    "thermal only": (
        lambda folder: write_ecostress(folder / "x.txt", "Olivine", np.full(50, 5), np.linspace(7, 14, 50)),
        "holds no reflectance spectrum",
    ),
    "percent called fraction": (lay(**{"Y Units": "Reflectance (fraction)"}), "not within 0 and 1"),
    "a word among numbers": (lay_text(HEADER + "0.4 10\n0.5 ten\n"), "line 6 is `0.5 ten`, not 2 numbers"),
    "three columns": (lay_text(HEADER + "0.4 10 1\n"), "line 5 is `0.4 10 1`, not 2 numbers"),
    "no numbers": (lay_text(HEADER), "it holds no numbers"),
    "not finite": (lay_text(HEADER + "0.4 nan\n2.5 10\n"), "not finite"),
    "no wavelengths": (
        lambda folder: write_splib(folder / "x.txt", "Olivine GDS70", GREEN),
        "no file beside it holds 431 wavelengths",
    ),
    "too few values": (cut_splib, "no file beside it holds 400 wavelengths"),
    "a word in splib": (break_splib, "line 2 is `two."),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_library_is_refused_with_one_sentence(case: str, tmp_path: Path) -> None:
    lay_out, message = BAD[case]
    lay_out(tmp_path)
    with pytest.raises(SurveyError) as caught:
        load_library(tmp_path)
    sentence = str(caught.value)
    assert message in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match="absent` is no folder"):
        load_library(tmp_path / "absent")
