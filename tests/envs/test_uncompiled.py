"""What is said where a step has no native code."""

import logging

from learned_envs.errors import NativeCodeError, UntraceableError
from learned_envs.stepping.way import say_uncompiled


def test_what_has_no_native_code_is_logged_once_and_a_missing_compiler_is_not(caplog):
    with caplog.at_level(logging.WARNING, "learned_envs"):
        for _ in range(2):
            say_uncompiled(UntraceableError("aten.of_a_test"), "auto")
        say_uncompiled(NativeCodeError("there is no compiler"), "auto")
    (record,) = caplog.records
    assert "aten.of_a_test" in record.getMessage()
