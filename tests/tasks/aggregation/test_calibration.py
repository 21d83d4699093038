import numpy as np
import pytest

from tasks.aggregation import calibration


def drawn(rng, tasks, classes=3):
    """Posteriors, and truths drawn from them: as sure as they are right."""
    posterior = rng.dirichlet(np.full(classes, 0.4), tasks)
    truth = (posterior.cumsum(axis=1) > rng.random((tasks, 1))).argmax(axis=1)
    return posterior, truth


@pytest.mark.parametrize("wrong", [0.5, 1.0, 3.0])
def test_the_temperature_by_which_posteriors_are_too_sure_is_found(wrong):
    posterior, truth = drawn(np.random.default_rng(1), 5000)
    sure = calibration.calibrated(posterior, 1 / wrong)
    assert calibration.temperature(sure, truth) == pytest.approx(wrong, rel=0.1)


def test_what_is_calibrated_is_as_often_right_as_it_is_sure():
    posterior, truth = drawn(np.random.default_rng(2), 5000)
    sure = calibration.calibrated(posterior, 1 / 3.0)
    raw = calibration.bins(sure, truth).error()
    known = slice(0, 500)
    found = calibration.temperature(sure[known], truth[known])
    mended = calibration.bins(calibration.calibrated(sure[500:], found), truth[500:]).error()
    assert raw > 0.12
    assert mended < 0.03


def test_with_little_gold_the_temperature_stays_near_the_usual_one():
    assert calibration.temperature(np.zeros((0, 2)), np.zeros(0, int)) == pytest.approx(calibration.USUAL, rel=1e-3)
    one_right, one_wrong = (calibration.temperature(np.array([[0.99, 0.01]]), np.array([k])) for k in (0, 1))
    assert calibration.USUAL / 2 < one_right < calibration.USUAL < one_wrong < calibration.USUAL * 4


def test_a_task_that_stands_for_several_counts_as_if_it_were_there_as_often():
    rng = np.random.default_rng(2)
    sure, times = rng.dirichlet([0.3, 0.3], size=40), rng.integers(1, 5, size=40)
    truth = np.where(rng.random(40) < 0.7, sure.argmax(axis=1), sure.argmin(axis=1))
    found = calibration.temperature(sure, truth, times.astype(float))
    assert found == pytest.approx(calibration.temperature(sure.repeat(times, axis=0), truth.repeat(times)))
    assert found != pytest.approx(calibration.temperature(sure, truth), rel=0.01)


def test_no_class_overtakes_another_and_rows_stay_distributions():
    posterior = np.random.default_rng(3).dirichlet(np.ones(4), 200)
    for heat in (0.1, 1.0, 30.0):
        made = calibration.calibrated(posterior, heat)
        assert (made.argsort(axis=1) == posterior.argsort(axis=1)).all()
        np.testing.assert_allclose(made.sum(axis=1), 1.0)
    np.testing.assert_allclose(calibration.calibrated(posterior, 1.0), posterior)


def test_certainty_and_impossibility_stay_finite():
    posterior = np.array([[1.0, 0.0], [0.0, 1.0]])
    for truth in ([0, 1], [1, 0]):
        heat = calibration.temperature(posterior, np.array(truth))
        assert np.isfinite(heat)
        assert np.isfinite(calibration.calibrated(posterior, heat)).all()


def test_bins_say_how_sure_and_how_right():
    posterior = np.array([[0.95, 0.05], [0.05, 0.95], [0.55, 0.45]])
    found = calibration.bins(posterior, np.array([0, 0, 0]))
    assert found.tasks.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 2]
    assert (found.sure[9], found.right[9], found.right[5]) == (pytest.approx(0.95), 0.5, 1.0)
    assert np.isnan(found.sure[0])
    assert found.error() == pytest.approx((2 * 0.45 + 0.45) / 3)
    assert calibration.bins(np.zeros((0, 2)), np.zeros(0, int)).error() is None
