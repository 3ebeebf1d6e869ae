"""Pushing to a server on this machine that answers as the Hub does: what goes up, and what stops it."""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

from sharpen import cli, hub
from sharpen.errors import ModelError, UserError
from sharpen.rounds import Improved
from sharpen.train import record

TOKEN = "hf_secret"


class Hub(ThreadingHTTPServer):
    """The part of the Hub's interface that one commit of small files takes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.there: list[str] = []
        self.private: bool | None = None
        self.refuses = ""
        self.asked: list[str] = []
        self.commit: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        siblings = [{"rfilename": name} for name in self.server.there]
        self.answer({"id": "me/model", "private": self.server.private, "siblings": siblings})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Authorization"] == f"Bearer {TOKEN}"
        if self.path.endswith("/repos/create"):
            if self.server.private is None:
                self.server.private = json.loads(body).get("private", json.loads(body).get("visibility") == "private")
            self.answer({"url": f"{self.server.url}/me/model"})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            self.answer({"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]})
        elif "/commit/" in self.path:
            self.server.commit = [json.loads(line) for line in body.splitlines()]
            self.answer({"commitUrl": f"{self.server.url}/me/model/commit/1", "commitOid": "1"})
        else:
            self.answer({})

    def answer(self, said: dict[str, Any]) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        refused = self.server.refuses and self.server.refuses in self.path
        data = json.dumps({"error": "you may not"} if refused else said).encode()
        self.send_response(403 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as found:
        threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield found
        found.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of two rounds with all that a run's folder holds."""
    for number in (1, 2):
        place = record.place(tmp_path / "run", number)
        (place / "adapter").mkdir(parents=True)
        for name in ("model.safetensors", "config.json", "adapter/adapter_model.safetensors"):
            (place / name).write_text(f"{name} {number}")
        record.write(place, {"seconds": 1.0, "tokens": 2})
        (place / "README.md").write_text("# card")
        (place / "notes.txt").write_text("put here by someone else")
    for name in ("ledger.db", "images/abc", "manifest.json"):
        (tmp_path / "run" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "run" / name).write_text("private")
    return tmp_path / "run"


UPLOADED = ["README.md", "adapter/adapter_model.safetensors", "config.json", "model.safetensors", "training.json"]


def test_the_last_model_and_its_card_go_up_in_one_commit_and_nothing_else(server: Hub, folder: Path) -> None:
    server.there = ["model-00001-of-00002.safetensors", "model.safetensors.index.json", "config.json", "LICENSE"]
    done = hub.push(folder, "me/model")
    files = {e["value"]["path"]: base64.b64decode(e["value"]["content"]) for e in server.commit if e["key"] == "file"}
    assert sorted(files) == done.files == UPLOADED
    assert files["model.safetensors"] == b"model.safetensors 2"
    assert files["README.md"] == b"# card"
    gone = [entry["value"]["path"] for entry in server.commit if entry["key"] == "deletedFile"]
    assert gone == done.removed == ["model-00001-of-00002.safetensors", "model.safetensors.index.json"]
    assert server.private is True
    assert (done.private, done.round, done.url) == (True, 2, f"{server.url}/me/model/commit/1")
    assert sum("/commit/" in path for path in server.asked) == 1


def test_a_given_round_can_be_made_public(server: Hub, folder: Path) -> None:
    done = hub.push(folder, "me/model", round=1, public=True)
    assert (done.private, done.round, server.private) == (False, 1, False)
    weights = next(e["value"] for e in server.commit if e["value"].get("path") == "model.safetensors")
    assert base64.b64decode(weights["content"]) == b"model.safetensors 1"


def test_a_public_repository_is_refused_unless_that_is_asked_for(server: Hub, folder: Path) -> None:
    server.private = False
    with pytest.raises(UserError, match="me/model is public; say so with --public"):
        hub.push(folder, "me/model")
    assert server.commit == []


@pytest.mark.parametrize("where", ["/preupload/", "/commit/", "no server"])
def test_what_the_hub_refuses_is_one_line_with_what_to_do(server: Hub, folder: Path, where: str) -> None:
    server.refuses = where
    if where == "no server":
        constants.ENDPOINT = "http://127.0.0.1:9"
    with pytest.raises(
        UserError, match=r"could not be pushed to me/model .*are safe, give the same command"
    ) as refused:
        hub.push(folder, "me/model")
    assert "\n" not in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_a_model_that_is_not_what_training_wrote_is_not_pushed(server: Hub, folder: Path) -> None:
    with pytest.raises(ModelError, match=re.escape("no model of round 3, only of rounds [1, 2]")):
        hub.push(folder, "me/model", round=3)
    (record.place(folder, 2) / "model.safetensors").write_text("cut")
    with pytest.raises(ModelError, match="not what training wrote"):
        hub.push(folder, "me/model")
    assert server.asked == []


@pytest.mark.parametrize(
    ("options", "token", "said"),
    [
        (["--push-to-hub", "me/model"], None, "needs a token that may write; run `hf auth login`"),
        (["--push-to-hub", "model"], TOKEN, "give OWNER/NAME"),
        (["--public"], TOKEN, "give --push-to-hub OWNER/NAME with it"),
        (["--push-round", "4", "--push-to-hub", "me/model"], TOKEN, "give 1 to 3, a round"),
    ],
)
def test_what_cannot_be_pushed_is_said_before_the_run(
    options: list[str], token: str | None, said: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: token)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert cli.run(["run", "rest_em", "--out", str(tmp_path / "run"), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_results_are_printed_though_the_push_fails_and_without_the_flag_nothing_is_asked(
    server: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command with a finished run in the place of one that takes time."""
    monkeypatch.setattr(sys.modules["sharpen.improve"], "improve", lambda *_, **__: Improved(None, [], None))  # type: ignore[arg-type]
    monkeypatch.setattr("sharpen.setup.model", lambda *_: None)
    monkeypatch.setattr("sharpen.setup.manifest", lambda *_: {})
    command = ["run", "rest_em", "--tasks", "digits:4", "--test", "digits:2", "--out", str(folder), "--json"]
    assert cli.run(command) == 0
    assert server.asked == []
    assert "pushed" not in json.loads(capsys.readouterr().out)
    assert cli.run([*command, "--push-to-hub", "me/model"]) == 0
    assert json.loads(capsys.readouterr().out)["pushed"]["files"] == UPLOADED
    server.refuses = "/commit/"
    assert cli.run([*command, "--push-to-hub", "me/model"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["rounds"] == []
    assert "could not be pushed" in printed.err
