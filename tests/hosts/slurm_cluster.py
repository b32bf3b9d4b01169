"""A Slurm of four nodes on this host: slurmctld, slurmd and munged of the distribution, each node in a network
namespace and under a host name of its own. Nothing outlives `close`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import namespaces

NODES = ("n1", "n2", "n3", "n4")
_PROGRAMS = ("slurmctld", "slurmd", "munged", "mungekey", "sbatch", "srun", "squeue", "scancel", "ip", "unshare")
#: Seconds after which a node that says nothing is down.
SLURMD_TIMEOUT = 5

_CONFIGURATION = """\
ClusterName=weft
SlurmctldHost=ctl(10.91.0.9)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
TmpFS={folder}/tmp-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout={timeout}
KillWait=3
MinJobAge=300
NodeName=n[1-4] NodeAddr=10.91.0.[1-4] CPUs=4 RealMemory=8192 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Why there can be no cluster here; None where there can."""
    if os.geteuid() != 0:
        return "network namespaces and Slurm's daemons need root"
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            return f"{program} is not installed (tools/setup.sh all)"
    return namespaces.missing()


class Cluster:
    """Four nodes and their controller.

    folder
        Configuration, logs and state; below a path that all "nodes" see, as they see all of this host's files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = namespaces.fresh_prefix()
        self._made: list[str] = []
        self._daemons: dict[str, subprocess.Popen[str]] = {}
        folder.mkdir(parents=True)
        for name in ("state", *(f"{what}-{node}" for node in NODES for what in ("spool", "tmp"))):
            (folder / name).mkdir()
        (folder / "slurm.conf").write_text(_CONFIGURATION.format(folder=folder, timeout=SLURMD_TIMEOUT))
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        #: What a program needs to use this cluster.
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        try:
            self._make_network()
            self._start_munge()
            self._start("ctl", "slurmctld", "-D", "-f", str(folder / "slurm.conf"))
            for node in NODES:
                self.start_node(node)
            self.wait_for_nodes()
        except BaseException:
            self.close()
            raise

    # -- parts ---------------------------------------------------------------------------------------------------

    def namespace(self, node: str) -> str:
        return f"{self.prefix}-{node}"

    def _make_network(self) -> None:
        hosts = "127.0.0.1 localhost\n10.91.0.9 ctl\n" + "".join(f"10.91.0.{i + 1} {n}\n" for i, n in enumerate(NODES))
        for node in ("ctl", *NODES):
            name = self.namespace(node)
            # `ip netns exec` puts files of this directory in the place of those in /etc.
            (Path("/etc/netns") / name).mkdir(parents=True)
            (Path("/etc/netns") / name / "hosts").write_text(hosts)
            namespaces.ip([f"netns add {name}"])
            self._made.append(name)
            namespaces.ip(["link set lo up"], name)
        control = self.namespace("ctl")
        namespaces.ip(["link add br0 type bridge", "addr add 10.91.0.9/24 dev br0", "link set br0 up"], control)
        for number, node in enumerate(NODES, 1):
            name = self.namespace(node)
            namespaces.ip([f"link add p{number} type veth peer name eth0 netns {name}"], control)
            namespaces.ip([f"link set p{number} master br0", f"link set p{number} up"], control)
            namespaces.ip([f"addr add 10.91.0.{number}/24 dev eth0", "link set eth0 up"], name)

    def _start(self, node: str, *command: str) -> None:
        script = 'hostname "$1" && shift && exec "$@"'
        with (self.folder / f"{node}.out").open("ab") as sink:
            self._daemons[node] = namespaces.start(
                self.namespace(node),
                ["unshare", "--uts", "sh", "-c", script, "sh", node, *command],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        namespaces.run(["mungekey", "--create", f"--keyfile={key}"])
        parts = {"socket": "socket", "pid-file": "pid", "seed-file": "seed", "log-file": "log"}
        files = [f"--{option}={self.folder}/munge.{name}" for option, name in parts.items()]
        # What is above the socket need not belong to munge's user.
        self._daemons["munge"] = namespaces.start(
            self.namespace("ctl"),
            ["munged", "--foreground", "--force", f"--key-file={key}", *files],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "munged.out").open("wb"),
            start_new_session=True,
        )
        end = time.monotonic() + 20
        while not (self.folder / "munge.socket").exists():
            if self._daemons["munge"].poll() is not None or time.monotonic() > end:
                raise namespaces.LabError(f"munged did not start: {(self.folder / 'munged.out').read_text()}")
            time.sleep(0.05)

    def start_node(self, node: str) -> None:
        self._start(node, "slurmd", "-D", "-N", node, "-f", str(self.folder / "slurm.conf"))

    def kill_node(self, node: str) -> None:
        """SIGKILL to the node's daemon. What it has started lives on, as on a real node."""
        daemon = self._daemons.pop(node)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()

    def wait_for_nodes(self) -> None:
        end = time.monotonic() + 60
        while True:
            done = self.run(["sinfo", "-h", "-N", "-o", "%N %T"], check=False)
            states = dict(line.split() for line in done.stdout.splitlines())
            if done.returncode == 0 and all(states.get(node) == "idle" for node in NODES):
                return
            if time.monotonic() > end:
                raise namespaces.LabError(f"the nodes are not idle: {states} {done.stderr}")
            time.sleep(0.1)

    # -- use -----------------------------------------------------------------------------------------------------

    def start(self, command: Sequence[str], **options: object) -> subprocess.Popen[str]:
        """Starts a program on the controller's host."""
        return namespaces.start(self.namespace("ctl"), command, **options)

    def run(
        self,
        command: Sequence[str],
        check: bool = True,
        hang: float = 180.0,
        cwd: Path | None = None,
        **variables: str,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program on the controller's host to its end."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.namespace("ctl"), *command],
            env={**os.environ, **self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=hang,
            cwd=cwd,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def processes(self) -> dict[int, str]:
        """What runs on the nodes beside Slurm's daemons, by process id."""
        found = {}
        for node in NODES:
            for pid in namespaces.run(["ip", "netns", "pids", self.namespace(node)]).split():
                try:
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                if words and not words.startswith(("slurmd ", "slurmstepd: [", "unshare ", "ip ")):
                    found[int(pid)] = f"{node}: {words.strip()}"
        return found

    def idle(self, seconds: float = 30.0) -> None:
        """No job, and no process of one."""
        end = time.monotonic() + seconds
        while True:
            left = (self.run(["squeue", "-h", "-o", "%i %T"]).stdout.split(), self.processes())
            if not any(left):
                return
            assert time.monotonic() < end, f"left: {left}"
            time.sleep(0.1)

    def close(self) -> None:
        for daemon in self._daemons.values():
            daemon.kill()
            daemon.wait()
        namespaces.remove(self._made)
        for name in self._made:
            shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)
