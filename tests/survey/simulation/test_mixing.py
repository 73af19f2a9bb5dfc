"""Hapke's mixing against its limits and against an evaluation of his equations as they are written."""

import numpy as np
import pytest

from outcrop.survey.simulation import mixing
from outcrop.survey.simulation.endmembers import ENDMEMBERS, MEASURED, mass_weights, volume_weights

RNG = np.random.default_rng(5)
EVEN = np.ones(2, dtype=np.float32)


def hapke(albedo: float, incidence: float, emergence: float) -> float:
    """Bidirectional reflectance of isotropic scatterers: w / 4 pi mu0 / (mu0 + mu) H(mu0) H(mu)."""
    gamma = np.sqrt(1 - albedo)

    def chandrasekhar(cosine: float) -> float:
        return float((1 + 2 * cosine) / (1 + 2 * cosine * gamma))

    scattered = albedo / (4 * np.pi) * incidence / (incidence + emergence)
    return float(scattered * chandrasekhar(incidence) * chandrasekhar(emergence))


@pytest.mark.parametrize("albedo", [0.01, 0.3, 0.9, 0.999])
def test_reflectance_is_hapkes_relative_to_a_surface_that_absorbs_nothing(albedo: float) -> None:
    incidence = float(np.cos(np.radians(30)))
    expected = hapke(albedo, incidence, 1.0) / hapke(1.0, incidence, 1.0)
    assert mixing.reflectance(np.array([albedo]))[0] == pytest.approx(expected, rel=1e-4)


def test_albedo_and_reflectance_are_inverses() -> None:
    reflectance = np.linspace(0, 0.99, 1000, dtype=np.float32)
    np.testing.assert_allclose(mixing.reflectance(mixing.single_scattering(reflectance)), reflectance, atol=2e-5)
    albedo = np.linspace(0, 1, 1000, dtype=np.float32)
    np.testing.assert_allclose(mixing.single_scattering(mixing.reflectance(albedo)), albedo, atol=1e-6)
    assert mixing.single_scattering(np.array([0, 1])).tolist() == [0, 1]


def test_a_pure_endmember_returns_itself() -> None:
    albedo = RNG.uniform(0, 1, (3, 7)).astype(np.float32)
    pure = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(mixing.intimate(pure, albedo, np.array([1, 5, 0.2])), albedo.T, rtol=1e-6)


def test_a_dark_opaque_dominates_beyond_its_share() -> None:
    bright, dark = 0.85, 0.05
    albedo = mixing.single_scattering(np.array([[bright], [dark]]))
    mixture = mixing.reflectance(mixing.intimate(np.array([[0.9], [0.1]]), albedo, EVEN))[0, 0]
    areal = 0.9 * bright + 0.1 * dark
    assert dark < mixture < areal - 0.1
    finer = mixing.reflectance(mixing.intimate(np.array([[0.9], [0.1]]), albedo, np.array([1, 5])))[0, 0]
    assert finer < mixture


def test_fractions_need_not_sum_to_one() -> None:
    albedo = RNG.uniform(0, 1, (2, 4))
    fractions = np.array([[0.2, 0.5], [0.6, 0.5]])
    np.testing.assert_allclose(
        mixing.intimate(3 * fractions, albedo, EVEN), mixing.intimate(fractions, albedo, EVEN), rtol=1e-6
    )


def test_finer_grains_are_brighter_with_shallower_bands() -> None:
    continuum, band = mixing.single_scattering(np.array([0.6, 0.3]))
    albedo = np.full((2, 3), [[continuum], [band]], dtype=np.float32)
    coarse, same, fine = mixing.reflectance(mixing.grain(albedo, np.array([4, 1, 0.25]))).T
    np.testing.assert_allclose(same, [0.6, 0.3], atol=1e-5)
    assert (fine > same).all()
    assert (same > coarse).all()
    depths = [1 - low / high for high, low in (coarse, same, fine)]
    assert depths[0] > depths[1] > depths[2]


def test_grain_sizes_multiply() -> None:
    albedo = RNG.uniform(0.01, 0.99, (5, 4)).astype(np.float32)
    twice = mixing.grain(mixing.grain(albedo, np.full(4, 2)), np.full(4, 3))
    np.testing.assert_allclose(twice, mixing.grain(albedo, np.full(4, 6)), rtol=1e-5)


def test_a_window_equals_the_same_window_of_a_larger_one_bit_for_bit() -> None:
    fractions = RNG.dirichlet(np.ones(len(ENDMEMBERS)), 1000).T.astype(np.float32)
    fractions[3, 100:117] = 0  # an endmember that is missing from the window alone
    albedo = RNG.uniform(0, 1, (len(ENDMEMBERS), 31)).astype(np.float32)
    factor = RNG.lognormal(0, 1, 1000).astype(np.float32)

    def look(window: slice) -> bytes:
        mixed = mixing.intimate(fractions[:, window], albedo, volume_weights())
        return mixing.reflectance(mixing.grain(mixed, factor[window])).tobytes()

    whole = np.frombuffer(look(slice(None)), dtype=np.float32).reshape(31, 1000)
    assert look(slice(100, 117)) == whole[:, 100:117].tobytes()


def test_weights_by_mass_and_by_volume_give_the_same_mixture() -> None:
    volumes = RNG.dirichlet(np.ones(len(ENDMEMBERS)), 6).T
    masses = volumes * np.array([MEASURED[name].density for name in ENDMEMBERS])[:, None]
    albedo = RNG.uniform(0, 1, (len(ENDMEMBERS), 5))
    np.testing.assert_allclose(
        mixing.intimate(masses, albedo, mass_weights()), mixing.intimate(volumes, albedo, volume_weights()), rtol=1e-5
    )
