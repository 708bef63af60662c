"""The desk as a command: a process for each question, with a file of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from downstream_agent import open_session
from downstream_agent.__main__ import main

from pytest_strands_sqlite import ScriptedModel, ToolCall, transcript


def test_the_second_question_knows_the_first(
    tmp_path: Path, scripted_model: Callable[..., ScriptedModel], capsys: pytest.CaptureFixture[str]
) -> None:
    """All that two runs share is the path of the database."""
    database, parcels = tmp_path / "desk.db", tmp_path / "parcels.json"
    parcels.write_text('{"P-7": "Oslo"}')
    files = ["--db", str(database), "--parcels", str(parcels)]

    main(["ada", "Where is P-7?", *files], scripted_model(ToolCall("find_parcel", {"number": "P-7"}), "In Oslo."))
    again = scripted_model("In Oslo, still.")
    main(["ada", "And now?", *files], again)

    assert capsys.readouterr().out == "In Oslo.\nIn Oslo, still.\n"
    assert len(again.calls[0].messages) == 5
    with open_session("ada", database) as session:
        transcript(session).assert_said("In Oslo, still.", role="assistant")
