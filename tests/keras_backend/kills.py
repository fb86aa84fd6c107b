"""Kills processes with SIGKILL, at random moments, while they save: `python -m tests.keras_backend.kills --times 200`.

A child saves one generation after the other, and says so after each. When it has been killed, what is on the disk has
to be the last generation that it said, or the one after it, whole.
"""

import argparse
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback

os.environ.setdefault("KILLS_WIDTH", "256")  # 1.6 MB with the optimizer: most of the time goes into writing

from .ways_to_save import WAYS, model  # noqa: E402


def child(save, k, folder, pipe):
    try:
        while True:
            m = model(k)
            os.write(pipe, struct.pack("q", -1))
            save(m, k, folder)
            os.write(pipe, struct.pack("q", k))
            k += 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def kill_once(save, k, folder, moment):
    """Start a child at generation k, kill it `moment` seconds after it begins to save.

    Returns the last generation that it said to be saved.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        child(save, k, folder, writer)
    os.close(writer)
    os.read(reader, 8)
    time.sleep(moment)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "the child failed by itself"
    said = k - 1
    while data := os.read(reader, 8):
        said = max(said, struct.unpack("q", data)[0])
    os.close(reader)
    return said


def kills(name, times, seed=0, keep=print):
    """Kill `times` savers. Returns (how many were killed inside of a save, what was lost)."""
    save, load = WAYS[name]
    rng = random.Random(seed)
    lost, inside = [], 0
    folder = tempfile.mkdtemp(prefix="kills-")
    try:
        k = 1
        start = time.perf_counter()
        save(model(k), k, folder)
        took = time.perf_counter() - start
        for _ in range(times):
            said = kill_once(save, k + 1, folder, rng.uniform(0, 2 * took))
            inside += any(
                n.endswith((".simplecell-saving", ".simplecell-saved"))
                for _, folders, _ in os.walk(folder)
                for n in folders
            )
            try:
                found = load(folder)
                assert found in (said, said + 1), f"found {found}, but {said} was saved"
                k = found
            except Exception as error:
                lost.append(f"{type(error).__name__}: {str(error)[:120]}")
                shutil.rmtree(folder)
                os.mkdir(folder)
                k = said + 1
                save(model(k), k, folder)
        save(model(k + 1), k + 1, folder)
        assert load(folder) == k + 1
        left = [n for _, folders, files in os.walk(folder) for n in (*folders, *files) if "simplecell-sav" in n]
        assert not left, f"left behind: {left}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return inside, lost


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="kills for each way of saving")
    parser.add_argument("--way", choices=WAYS, help="only this one")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    failed = False
    for name in [arguments.way] if arguments.way else WAYS:
        start = time.perf_counter()
        inside, lost = kills(name, arguments.times, arguments.seed)
        print(
            f"{name}: {arguments.times} kills, {inside} inside of a save, {len(lost)} lost, "
            f"{time.perf_counter() - start:.1f} s",
            *lost[:3],
            sep="\n    ",
        )
        failed = failed or bool(lost)
    return failed


if __name__ == "__main__":
    sys.exit(main())
