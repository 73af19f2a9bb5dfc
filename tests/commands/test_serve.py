"""A service through the real commands: it starts, says how it is, and Ctrl-C ends all of it."""

import json
import socket
import stat

from benches import Bench, Caller
from services import serving, wait_for

DUE = {"retrain/tiny", "watch/tiny", "monitor/tiny-north"}


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


def test_it_serves_until_ctrl_c_and_leaves_nothing_behind(bench: Bench, serverless_call: Caller) -> None:
    with serving(bench) as served:
        urls = [served.told["prefect"], served.told["mlflow"]]
        assert all(url.startswith("http://127.0.0.1:") and listens(url) for url in urls)
        found = served.status()
        assert found["service"]["state"] == "running" and found["service"]["surveys"] == ["tiny"]
        assert found["prefect"]["answers"] and found["mlflow"]["answers"]
        wait_for("all that is due", lambda: {run["run"] for run in served.status()["due"]} == DUE)
        assert found["champions"] == []
        again = serverless_call(bench, "serve", "--survey", str(bench.survey))
        assert (again.code, again.out) == (2, "")
        assert "served already" in again.err
        assert served.left
        assert served.end() == 0
        assert served.left == []
        assert not any(listens(url) for url in urls)
    state = bench.root / ".outcrop"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    kept = [state / "mlflow.db", state / "prefect" / "prefect.db", *(state / "service").glob("*.log")]
    assert len(kept) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    after = serverless_call(bench, "status", "--json")
    assert json.loads(after.out)["service"] == {"state": "not running"}
