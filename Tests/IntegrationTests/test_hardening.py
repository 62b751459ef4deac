"""A worker that is locked up as docker/millrace.service and docker/kubernetes do it, as far as that
can be had without systemd: it works, and asks for no system call that the unit forbids."""
import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import brokers
from test_security import Pipeline, SecurityCase
from worker import binary

NOBODY = 65532  # the image's user
UNIT = brokers.REPOSITORY / "docker" / "millrace.service"
# Asked for and refused (SystemCallErrorNumber=EPERM): the engines go on without.
REFUSED = {"sched_setaffinity"}
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1

# NoNewPrivileges, CapabilityBoundingSet=, DynamicUser, ProtectSystem=strict, PrivateTmp as far as a
# read-only root does it, ProcSubset=pid.
LOCK_UP = f"""
mount -o remount,bind,ro / && mount -t proc -o subset=pid proc /proc &&
exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --no-new-privs \
    --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"
"""


def deny_writable_code():
    """MemoryDenyWriteExecute, which children inherit; from Linux 6.3 on."""
    done = ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
    if done != 0:
        raise OSError("no MDWE")


def has_deny_writable_code():
    child = subprocess.run(["true"], preexec_fn=deny_writable_code, capture_output=True,
                           check=False) if _kernel() >= (6, 3) else None
    return child is not None and child.returncode == 0


def _kernel():
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


def can_lock_up():
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv", "mount"))):
        return False
    done = subprocess.run(["unshare", "--mount", "sh", "-c", LOCK_UP, "sh", "true"],
                          capture_output=True)
    return done.returncode == 0


def calls_of(sets):
    """The names in these sets of systemd's, each with the sets within it."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", *sets],
                          capture_output=True, text=True, check=True)
    names, inner = set(), set()
    for word in done.stdout.split("\n"):
        word = word.strip()
        if re.fullmatch(r"[a-z_0-9]+", word):
            names.add(word)
        elif word.startswith("@") and word not in sets:
            inner.add(word)
    return names | (calls_of(sorted(inner)) if inner else set())


class LockedUpTests(SecurityCase):
    def setUp(self):
        super().setUp()
        if not can_lock_up():
            self.skipTest("needs root with unshare, setpriv and mount")
        # The user must get to the files of the test.
        brokers.scratch().chmod(0o711)

    def start(self, lane, wrapper=()):
        """Both engines' calls are in it: ONNX Runtime runs the model."""
        content = lane.content()
        content["model"]["engine"] = "onnxruntime"
        os.chown(lane.file, NOBODY, NOBODY)
        model = brokers.scratch() / "locked-up.onnx"
        shutil.copyfile(content["model"]["file"], model)
        content["model"]["file"] = str(model)
        lane.worker = self.worker(
            content, wrapper=[*wrapper, "unshare", "--mount", "sh", "-c", LOCK_UP, "sh"],
            before=deny_writable_code if has_deny_writable_code() else None)
        return lane.worker

    def test_a_worker_that_is_locked_up(self):
        lane = Pipeline(self, "SCRAM-SHA-512")
        lane.send()
        worker = self.start(lane).wait_ready()
        status = pathlib.Path(f"/proc/{worker.process.pid}/status").read_text()
        for line in (rf"Uid:\s+{NOBODY}\s", r"CapEff:\s+0+\n", r"CapBnd:\s+0+\n",
                     r"NoNewPrivs:\s+1\n"):
            self.assertRegex(status, line)
        limits = pathlib.Path(f"/proc/{worker.process.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 ")
        lane.finish()

    @unittest.skipUnless(shutil.which("strace") and shutil.which("systemd-analyze"),
                         "needs strace and systemd-analyze")
    def test_the_unit_allows_all_calls(self):
        trace = brokers.scratch() / "calls"
        lane = Pipeline(self, "SCRAM-SHA-512")
        lane.send()
        self.start(lane, ["strace", "-D", "-f", "-qq", "-o", trace])
        lane.finish()
        lines = trace.read_text(errors="replace").splitlines()
        begin = next(n for n, line in enumerate(lines) if f'execve("{binary()}"' in line)
        used = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", "\n".join(lines[begin:]), re.MULTILINE))
        self.assertGreater(len(used), 30)
        allowed, refused = set(), set()
        for sign, names in re.findall(r"^SystemCallFilter=(~?)(.*)$", UNIT.read_text(),
                                      re.MULTILINE):
            (refused if sign else allowed).update(calls_of(names.split()))
        self.assertEqual(used - (allowed - refused) - REFUSED, set())


if __name__ == "__main__":
    unittest.main()
