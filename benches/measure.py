"""One process, run and measured.

Wall time is ours; processor time and peak resident size are the kernel's, from
wait4, so they are those of the process and of what it waited for itself. A
process that is about to run takes the size of the one that starts it as its
first peak: the program that measures has to stay small, so it makes and checks
inputs in processes of their own.

Beside that the process is looked at every few milliseconds, through /proc: the
part of its memory that belongs to no file, and the bytes it holds in a folder
for temporary files, those included that have no name any more. Peaks between
two looks are missed; they are shown and nothing is judged by them.
"""

import os
import shlex
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

LOOK_S = 0.02
MIB = 1 << 20


class Failed(Exception):
    """A process ended with another code than 0."""


@dataclass(frozen=True)
class Usage:
    """What one run took."""

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    # As far as it was seen.
    peak_anonymous_bytes: int
    peak_spilled_bytes: int
    stdout: str


def run(command, temp_dir=None):
    """Runs a command to its end; raises Failed with its last words where it fails."""
    command = [str(part) for part in command]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        watch = Watch(process.pid, temp_dir)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.stop()
        if process.returncode != 0:
            raise Failed(f"{shlex.join(command)}: exit {process.returncode}: {tail(err)}")
        out.seek(0)
        return Usage(
            wall_s=wall_s,
            cpu_s=usage.ru_utime + usage.ru_stime,
            peak_rss_bytes=usage.ru_maxrss * 1024,
            peak_anonymous_bytes=watch.anonymous_bytes,
            peak_spilled_bytes=watch.spilled_bytes,
            stdout=out.read().decode(),
        )


def tail(file):
    file.seek(0)
    return file.read().decode(errors="replace").strip()[-500:]


class Watch:
    """Looks at a process until it is told to stop."""

    def __init__(self, pid, temp_dir):
        self.pid = pid
        self.temp_dir = temp_dir and os.path.realpath(temp_dir)
        self.anonymous_bytes = 0
        self.spilled_bytes = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.look_on)
        self.thread.start()

    def stop(self):
        self.stopped.set()
        self.thread.join()

    def look_on(self):
        while not self.stopped.wait(LOOK_S):
            try:
                self.anonymous_bytes = max(self.anonymous_bytes, anonymous_bytes(self.pid))
                if self.temp_dir:
                    self.spilled_bytes = max(self.spilled_bytes, held_bytes(self.pid, self.temp_dir))
            except OSError:
                continue  # It ends at this moment.


def anonymous_bytes(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    found = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(found[0]) * 1024 if found else 0


def held_bytes(pid, folder):
    """Bytes on disk of the open files of a process that lie, or lay, below a folder."""
    total = 0
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            if os.readlink(entry.path).startswith(folder + os.sep):
                total += os.stat(entry.path).st_blocks * 512
        except OSError:
            continue  # Closed between the two.
    return total


def folder_bytes(folder):
    """Size of all files below a folder."""
    return sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())
