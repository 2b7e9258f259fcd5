"""What a report says of a model beside its twin."""

from learned_envs.evaluation.report import TWIN, Curve, Report

HORIZONS = (1, 10, 25, 50, 100)


def report(model, twin, hold, mean=0.0):
    return Report(
        "Hopper-v5",
        HORIZONS,
        10,
        (
            Curve("hold", hold, (1.0,) * 5),
            Curve("model", model, (mean,) * 5),
            Curve(TWIN, twin, twin),
        ),
    )


def test_a_model_is_judged_where_its_twin_can_be_predicted():
    made = report(
        model=(9.0, 0.004, 0.04, 0.06, 9.0),
        twin=(1e-3, 1e-5, 1e-3, 1e-3, 0.2),
        hold=(1.0, 1.0, 1.0, 1.0, 1.0),
    )
    # Small enough; 40 times the twin; 60 times; MuJoCo itself cannot be predicted.
    assert made.verdicts() == {10: True, 25: True, 50: False}
    assert [round(times) for times in made.times_the_twin()] == [9000, 400, 40, 60, 45]


def test_half_of_hold_is_too_far_and_so_is_its_mean():
    model, twin = (0.004,) * 5, (1e-5,) * 5
    assert not any(report(model, twin, hold=(0.007,) * 5).verdicts().values())
    assert all(report(model, twin, hold=(0.009,) * 5).verdicts().values())
    assert not any(report(model, twin, hold=(0.009,) * 5, mean=1.5).verdicts().values())


def test_without_a_twin_nothing_is_judged():
    alone = Report("Hopper-v5", (10,), 10, (Curve("model", (1.0,), (1.0,)),))
    assert alone.verdicts() == {}
    assert alone.times_the_twin() == ()
    assert alone.table().row_count == 1
