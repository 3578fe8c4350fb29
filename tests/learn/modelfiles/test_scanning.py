"""What a scan promises beside its verdict: it imports and runs nothing, is bounded, and says what it looked at."""

import gzip
import hashlib
import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from benchmarks.model_corpus.containers import CONTAINERS
from benchmarks.model_corpus.making import EVIL, called, checkpoint, name, pickled, tensor, text, zipped
from benchmarks.model_corpus.pickles import PICKLES

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import Reason, Scan, Verdict, scan, worst
from bezoar.learn.modelfiles.pieces import Limits


def one(path, **options):
    (found,) = scan(path, **options)
    return found


def said(found):
    return " ".join(f"{reason.code} {reason.where} {reason.what}" for reason in found.reasons)


PROBE = """
import sys
from pathlib import Path
from bezoar.learn.modelfiles import scan

ACTING = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect", "webbrowser.open")
OWN = (sys.prefix, sys.base_prefix)

def refuse(event, args):
    if event in ACTING or (event == "exec" and not args[0].co_filename.startswith(OWN)):
        raise SystemExit(f"ran {event} {args}")

scan(sys.argv[1])  # whatever the scanner itself needs is imported now
before = set(sys.modules)
sys.addaudithook(refuse)
for path in Path(sys.argv[2]).iterdir():
    scan(path)
new = {module for module in set(sys.modules) - before if not module.startswith(("bezoar", "encodings"))}
if new:
    sys.exit(" ".join(sorted(new)))
"""


def test_nothing_that_a_file_names_is_imported_or_run(tmp_path):
    """Every hostile file is scanned in a process of its own, whose modules stay the same and which starts nothing."""
    hostile, warm = tmp_path / "hostile", tmp_path / "warm"
    for number, case in enumerate((PICKLES | CONTAINERS).values()):
        path = hostile / str(number) / case.file
        (path if case.file.endswith("/") else path.parent).mkdir(parents=True)
        case.make(path)
    warm.mkdir()
    for kind in ("joblib_lz4", "h5_lambda", "tar_with_a_pickle", "npz_of_objects", "gguf_template_date", "folder_code"):
        case = (PICKLES | CONTAINERS)[kind]
        path = warm / kind / case.file
        (path if case.file.endswith("/") else path.parent).mkdir(parents=True)
        case.make(path)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(warm), str(hostile)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_safe_scan_has_the_digest_and_the_size_of_what_was_judged(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(100))
    content = (tmp_path / "a.npy").read_bytes()
    assert one(tmp_path / "a.npy") == Scan(
        path="a.npy", format="npy", reasons=(), bytes_read=len(content), sha256=hashlib.sha256(content).hexdigest()
    )


def test_a_folder_gives_a_scan_for_each_file_and_its_worst_verdict(tmp_path):
    folder = tmp_path / "set"
    (folder / "sub").mkdir(parents=True)
    np.save(folder / "a.npy", np.arange(3))
    (folder / "sub" / "b.pkl").write_bytes(EVIL)
    (folder / "c.dat").write_bytes(bytes(range(255, 128, -1)))
    scans = scan(folder)
    assert {found.path: found.verdict for found in scans} == {
        "set/a.npy": Verdict.SAFE,
        "set/c.dat": Verdict.NOT_ANALYSED,
        "set/sub/b.pkl": Verdict.UNSAFE,
    }
    assert worst(scans) is Verdict.UNSAFE


def test_nothing_scanned_is_not_safe(tmp_path):
    assert scan(tmp_path) == ()
    assert worst(scan(tmp_path)) is Verdict.NOT_ANALYSED


def test_a_path_that_is_not_there_is_an_error_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: cannot be read: No such file or directory\.$"):
        scan(tmp_path / "nowhere")


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "model.pkl")
    assert one(tmp_path / "model.pkl").verdict is Verdict.NOT_ANALYSED
    assert [found.verdict for found in scan(tmp_path)] == [Verdict.NOT_ANALYSED]


def test_links_within_a_folder_are_followed_and_links_out_of_it_are_not(tmp_path):
    (tmp_path / "secret.pkl").write_bytes(EVIL)
    folder = tmp_path / "model"
    folder.mkdir()
    np.save(folder / "a.npy", np.arange(3))
    (folder / "again.npy").symlink_to("a.npy")
    (folder / "out.pkl").symlink_to("../secret.pkl")
    (folder / "up").symlink_to("..")
    found = {scan.path: (scan.verdict, scan.bytes_read > 0) for scan in scan(folder)}
    assert found == {
        "model/a.npy": (Verdict.SAFE, True),
        "model/again.npy": (Verdict.SAFE, True),
        "model/out.pkl": (Verdict.UNSAFE, False),
        "model/up": (Verdict.UNSAFE, False),
    }


def test_the_links_of_a_cache_of_hugging_face_are_its_own(tmp_path):
    """``snapshots/REVISION`` holds links to ``blobs`` two folders above, and no others are followed."""
    repository = tmp_path / "models--who--what"
    snapshot, blobs = repository / "snapshots" / "abc", repository / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "123").write_bytes(b'{"model_type": "bert"}')
    (snapshot / "config.json").symlink_to("../../blobs/123")
    assert worst(scan(snapshot)) is Verdict.SAFE
    (repository / "other").write_text("{}")
    (snapshot / "generation_config.json").symlink_to("../../other")
    assert worst(scan(snapshot)) is Verdict.UNSAFE


def test_a_bomb_is_not_unpacked_further_than_the_limit(tmp_path):
    (tmp_path / "model.pkl.gz").write_bytes(gzip.compress(bytes(10**8)))
    found = one(tmp_path / "model.pkl.gz", limits=Limits(unpacked_bytes=10**7))
    assert found.verdict is Verdict.NOT_ANALYSED
    assert "unpacks to more than 10,000,000 bytes" in said(found)


def test_packed_zeros_are_no_tar_archive(tmp_path):
    """The checksum of a tar header with nothing in it is nothing, which the time in gzip's header can add up to."""
    for mtime in range(0, 2**32, 2**24 + 7919):
        (tmp_path / "zeros.gz").write_bytes(gzip.compress(bytes(10**6), 1, mtime=mtime))
        assert "tar" not in said(one(tmp_path / "zeros.gz"))


def test_a_bomb_is_known_by_how_much_it_swells(tmp_path):
    (tmp_path / "model.pkl.gz").write_bytes(gzip.compress(bytes(300 * 10**6), 1))
    assert "unpacks to more than 100 times its size" in said(one(tmp_path / "model.pkl.gz", limits=Limits(times=100)))


def test_many_members_share_one_limit(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({f"{n}.txt": b" " * 10**6 for n in range(30)}, zipfile.ZIP_DEFLATED))
    found = one(tmp_path / "a.zip", limits=Limits(unpacked_bytes=10**7))
    assert found.verdict is Verdict.NOT_ANALYSED
    assert one(tmp_path / "a.zip").verdict is Verdict.SAFE


def test_a_member_that_unpacks_to_more_than_it_says_is_a_lie(tmp_path):
    content = zipped({"a.txt": b" " * 5000}, zipfile.ZIP_DEFLATED)
    size = (5000).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content.replace(size, (50).to_bytes(4, "little")))
    assert "says that it has 50 bytes, and holds 51" in said(one(tmp_path / "a.zip"))


def test_a_pickle_without_end_is_not_followed_to_it(tmp_path):
    (tmp_path / "long.pkl").write_bytes(b"\x80\x04" + b"N0" * 10**5 + b"N.")
    found = one(tmp_path / "long.pkl", limits=Limits(opcodes=10**4))
    assert found.verdict is Verdict.NOT_ANALYSED
    assert "has more than 10,000 instructions" in said(found)
    assert one(tmp_path / "long.pkl").verdict is Verdict.SAFE


def test_what_lies_behind_the_last_instruction_that_is_followed_is_searched_for_names(tmp_path):
    (tmp_path / "long.pkl").write_bytes(b"\x80\x04" + b"N0" * 10**5 + SYSTEM_AND_STOP)
    assert one(tmp_path / "long.pkl", limits=Limits(opcodes=10**4)).verdict is Verdict.UNSAFE


SYSTEM_AND_STOP = EVIL[2:]


LEGACY = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + pickle.dumps({}, 2)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04" + b"(" * 50_000,
        b"\x80\x04N" + b"\x85" * 10_000 + b".",
        b"\x80\x04]" + b"\x94]h\x00a" * 10_000 + b".",
        b"\x80\x04]\x94h\x00a.",
        b"\x80\x04)" + b"2\x86" * 5_000 + b".",
        b"I" + b"9" * 10_000 + b"\n.",
        b"\x80\x04\x8b\xff\xff\xff\x7f.",
        b"\x80\x04\x8b\xff\xff\xff\xff.",
        b"\x80\x04r\xff\xff\xff\xff.",
        b"p-1\n.",
        LEGACY + b"\x80\x02)" + b"2\x86" * 5_000 + b"\x85.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.",
    ],
    ids=range(12),
)
def test_pickles_made_to_exhaust_a_reader_end_in_a_verdict(tmp_path, content):
    """Deep nests, values in themselves, pairs of pairs, numbers and frames beyond measure."""
    (tmp_path / "m.pkl").write_bytes(content)
    assert one(tmp_path / "m.pkl").verdict in Verdict


def test_reasons_are_bounded_however_much_is_wrong(tmp_path):
    names = b"".join(name(f"pack{number}.thing") + b"0" for number in range(5000))
    (tmp_path / "m.pkl").write_bytes(pickled(names, b"N"))
    assert len(one(tmp_path / "m.pkl").reasons) <= 200


def test_the_worst_reason_comes_first_and_survives_a_flood(tmp_path):
    names = b"".join(name(f"pack{number}.thing") + b"0" for number in range(900))
    (tmp_path / "m.pkl").write_bytes(pickled(names, called("posix.system", text("x"))))
    assert one(tmp_path / "m.pkl").reasons[0].code == "BZ601"


def test_text_from_a_file_cannot_act_on_a_terminal(tmp_path):
    (tmp_path / "m.pkl").write_bytes(pickled(name("evil.\x1b[2J\u202e"), b"0N"))
    assert said(one(tmp_path / "m.pkl")).isprintable()


def test_a_name_that_contradicts_the_content_is_a_finding_of_its_own(tmp_path):
    for file in ("model.safetensors", "model.onnx", "model.gguf", "model.h5", "config.json", "a.npy"):
        (tmp_path / file).write_bytes(pickle.dumps({"a": 1}))
    assert {found.reasons[0].code for found in scan(tmp_path)} == {"BZ603"}


def test_a_reason_says_the_member_and_the_byte(tmp_path):
    (tmp_path / "m.pt").write_bytes(
        checkpoint(pickled(tensor(), b"0", called("posix.system", text("x"))), {"0": bytes(16)})
    )
    (reason,) = one(tmp_path / "m.pt").reasons
    member, byte = reason.where.split(", byte ")
    content = pickled(tensor(), b"0", called("posix.system", text("x")))
    assert member == "model/data.pkl"
    assert content[int(byte)] == ord("R")
    assert reason == Reason("BZ601", reason.where, "calls posix.system('x'), which runs programs")
    assert reason.severity == "critical"


def test_a_key_that_is_set_twice_counts_in_both_readings(tmp_path):
    (tmp_path / "config.json").write_text('{"auto_map": {"A": "x.Y"}, "auto_map": {}}')
    assert one(tmp_path / "config.json").verdict is Verdict.UNSAFE


def test_an_argument_of_a_known_function_that_is_data_is_allowed(tmp_path):
    """The generator of random numbers is rebuilt with numpy's own constructor, and with no other."""
    rng = pickle.dumps(np.random.default_rng(0))
    (tmp_path / "rng.pkl").write_bytes(rng)
    assert one(tmp_path / "rng.pkl").verdict is Verdict.SAFE


def test_json_of_every_kind_is_one_document(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"a": [1, 2, {"b": None}]}))
    (tmp_path / "b.json").write_text("{" * 100_000)
    (tmp_path / "c.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    verdicts = {found.path.rpartition("/")[2]: found.verdict for found in scan(tmp_path)}
    assert verdicts == {"a.json": Verdict.SAFE, "b.json": Verdict.NOT_ANALYSED, "c.jsonl": Verdict.SAFE}
