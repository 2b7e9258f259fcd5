"""Environments as strangers write them: right, or refused by name, and never silently wrong."""

import re

import pytest
from judged import errors

from learned_envs.collect import traced
from learned_envs.collect.asking import ask
from learned_envs.errors import ParameterError, RebuiltDataWarning
from learned_envs.tasks.traced import TracedTask

NEAR = 2e-5
"""What float32 actions and observations leave of a difference."""

RIGHT = [
    *("control:PdOnce", "control:DeltaActions", "control:LowPass", "control:Stacked"),
    *("control:GaitOfTime", "walking:Quat", "seeing:GoalOfMocap", "seeing:GoalEnv"),
    *(
        "control:PdEffort",
        "seeing:Rounds",
        "seeing:Selects",
        "touching:Touch",
        "paying:Terms",
        "drawing:Masses",
        "drawing:Pushes",
        "drawing:Moves",
    ),
    *("machines:Muscles", "machines:Matrix"),
    *("control:Delayed", "control:Rolled", "control:Pushed", "control:GaitOfCounter"),
    *("control:Table", "seeing:Indexes", "machines:Nan", "machines:TextInfo", "machines:TwoModels"),
    *("machines:Sim", "machines:Boxes", "machines:Kicks"),
    *("control:Integral", "walking:OldStyle", "walking:Scaled", "seeing:GoalOfModel"),
    *("seeing:Float32", "seeing:Accelerates", "touching:ContactLoop"),
    *("touching:ContactArray", "touching:External", "seeing:Rotations", "paying:EarlyReturn"),
    *("drawing:Worlds", "drawing:Gains", "drawing:Wind", "drawing:Curriculum"),
    *("drawing:ResetsBySeedless", "drawing:ReadsFile", "machines:Joined", "machines:Unlimited"),
]
LEARNED = {
    "paying:Native": ("call.pay", "paying.py:.*self.sine"),
    "seeing:Masked": ("call.pay", "an index that depends on the state"),
    "paying:Jacobian": ("call.pay", "mujoco.mj_jacSite"),
    "touching:ContactForce": ("call.pay", "mujoco.mj_contactForce"),
    "seeing:Halves": ("call.pay", "more than 64 ways"),
    "seeing:Wraps": ("call.pay", "while angle > np.pi"),
    "touching:ContactCount": ("step.reward", "the number or the order of contacts"),
    "control:PdEverySubstep": ("step.reward", "between two calls of physics"),
    "drawing:Twins": ("step.reward", "other data than the environment's"),
}
HOSTED = {
    "drawing:Clock": "reward by .* and not in variables of a module or a class, files or clocks",
    "drawing:GlobalCounter": "reward by .*terminated in .* steps",
    "drawing:ClassVariable": "reward by",
    "drawing:Restarts": "observation by",
    "drawing:NoisySight": r"_get_obs\(\), which cannot be traced",
    "seeing:Tries": "reward, one of the two being no number",
    "control:PdMuscle": "memory.act by",
    "machines:WrongSpace": r"of shape \(4,\), expected \(7,\)",
    "drawing:Resamples": "observation by .*memory.env.command by",
}
REFUSED = {
    "walking:Repeats": "now more and now fewer solver steps",
    "drawing:NoisyForce": "draws noise",
    "drawing:Global": "what Python code remembers",
    "machines:Ball": "mjJNT_BALL",
    "machines:Unbounded": "actions from -inf to inf",
    "machines:ThreeOfDiscrete": r"actions of Discrete\(3\)",
    "machines:ManyOfDiscrete": "actions of MultiDiscrete",
    "machines:Pixels": "is pictures",
    "machines:ArrayReward": r"a reward of shape \(1,\)",
    "machines:FourValues": "returns 4, expected 5 values",
    "machines:StepFailsLater": "the motor is hot",
    "machines:Asks": "missing 1 required positional argument: 'robot'",
    "broken:Any": r"broken.py:\d+ raises KeyError: 'knee'",
    "nowhere:Any": "needs the module 'strangers.nowhere'",
    "machines:Nobody": "There is no environment 'Nobody-v0'",
    "machines:NoMujoco": "keeps no mujoco.MjData",
    "machines:ResetFails": r"machines.py:\d+, raise KeyError",
    "machines:StepFails": r"machines.py:\d+, return self.data.qpos / self.missing",
}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Record less, so that many environments can be asked."""
    monkeypatch.setattr(traced.record_starts, "__defaults__", (64,))
    monkeypatch.setattr(traced.traced_task, "__defaults__", (None, None, 1000))


def name(short):
    return f"strangers.{short}-v0"


@pytest.mark.parametrize("short_name", RIGHT)
def test_rules_are_what_the_environment_does(short_name):
    asked = ask(name(short_name))
    assert isinstance(asked.task, TracedTask)
    assert asked.task.rules.checked.exact(NEAR)
    assert not any(sensor.name.startswith(("call.", "step.")) for sensor in asked.task.sensors)
    start = asked.task.initial_state(2)
    none = {s.name: start.q.new_zeros(2, s.size) for s in asked.task.sensors}
    assert asked.task.observation(start, none).isfinite().all()
    wrong = {output: error for output, error in errors(asked).items() if not error <= NEAR}
    assert not wrong


@pytest.mark.parametrize("short_name", LEARNED)
def test_what_cannot_be_traced_is_learned_and_told(short_name):
    sensor, why = LEARNED[short_name]
    task = ask(name(short_name)).task
    assert sensor in [each.name for each in task.sensors]
    assert any(re.search(why, note, re.DOTALL) for note in task.rules.notes)


@pytest.mark.parametrize("short_name", HOSTED)
def test_what_is_no_function_of_the_state_is_hosted(short_name):
    with pytest.warns(RebuiltDataWarning, match=HOSTED[short_name]):
        asked = ask(name(short_name))
    assert not isinstance(asked.task, TracedTask)


@pytest.mark.parametrize("short_name", REFUSED)
def test_what_no_model_can_be_made_of_is_refused_by_name(short_name):
    with pytest.raises(ParameterError, match=REFUSED[short_name]):
        ask(name(short_name))


def test_an_info_that_is_not_of_the_state_is_left_out():
    rules = ask(name("drawing:GlobalInfo")).task.rules
    assert "info.total" not in rules.step.outputs
    assert any("info total is left out" in note for note in rules.notes)


def test_what_is_handed_to_physics_alone_is_no_sensor():
    assert not ask(name("drawing:Pushes")).task.sensors
