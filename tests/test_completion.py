"""Shells complete the command line by what it prints for them."""

import shutil
import subprocess
import sys

import pytest

COMPLETE = {
    "bash": (
        "source {script}; COMP_WORDS=({words}); COMP_CWORD={last}; COMP_LINE='{words}'; "
        "COMP_POINT=${{#COMP_LINE}}; _tyro_learned_envs; printf '%s\\n' ${{COMPREPLY[@]}}"
    ),
    "zsh": (
        "fpath+={folder}; autoload -Uz compinit; compinit -u -d {folder}/dump; "
        "[[ ${{_comps[learned-envs]}} == _learned-envs ]] || exit 1; "
        "_describe() {{ print -l -- ${{(P)2}} }}; "
        "words=({words}); CURRENT=$(({last} + 1)); source {script}"
    ),
    "tcsh": "source {script}; complete learned-envs",
}
"""How each shell is asked what it would offer. tcsh shows its whole table."""


@pytest.mark.parametrize("shell", COMPLETE)
def test_a_shell_completes_commands_and_options(shell, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "learned_envs", "--tyro-print-completion", shell],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "learned-envs" in done.stdout
    script = tmp_path / "_learned-envs"
    script.write_text(done.stdout, encoding="utf-8")
    # The bash of Windows may be another system's, which knows no paths of this one.
    if shutil.which(shell) is None or sys.platform == "win32":
        pytest.skip(f"there is no {shell}")
    for words, offered in (("learned-envs eva", "evaluate"), ("learned-envs info --js", "--json")):
        values = {"script": script, "folder": tmp_path, "words": words}
        command = COMPLETE[shell].format(**values, last=len(words.split()) - 1)
        plain = {"zsh": "-f", "bash": "--norc", "tcsh": "-f"}[shell]
        told = subprocess.run(
            [shell, plain, "-c", command], capture_output=True, text=True, check=False
        )
        assert told.returncode == 0, told.stderr
        # tcsh writes options without their dashes.
        assert offered.lstrip("-" if shell == "tcsh" else "") in told.stdout
