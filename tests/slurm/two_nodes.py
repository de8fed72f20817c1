"""A Slurm of two nodes on this machine, in a folder of its own: nothing else of the machine is touched.

It has its own keys, ports and configuration, needs no rights, and ends with the process that started it. Needs the
programs of Debian's slurm-wlm and munge: apt-get install --no-install-recommends slurm-wlm munge
"""

import contextlib
import getpass
import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from stages import end_with_parent

CONFIGURATION = """
ClusterName=two-nodes
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={base}/munge.socket
SlurmctldPort={ports[0]}
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/%n
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
MinJobAge=86400
KillWait=2
SchedulerParameters=sched_interval=2,bf_interval=5,batch_sched_delay=1
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cores} RealMemory={memory}
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cores} RealMemory={memory}
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""
SRUN = """#!/bin/sh
SLURM_CONF={base}/slurm.conf exec {srun} "$@"
"""
"""Snakemake's jobs call srun without the configuration's place."""
SNAKEMAKE = (
    "snakemake", "--profile", "workflow/profiles/slurm", "--slurm-no-account", "--slurm-status-command", "squeue",
    "--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "3", "--latency-wait", "5",
    "--default-resources", "mem_mb=500", "runtime=60",
)  # fmt: skip
"""How the cluster's profile is used here: there is no accounting, nobody else asks, and the machine is small."""
NODES = ("n1", "n2")
PATH = f"{os.environ['PATH']}:/usr/sbin:/usr/bin"


def lacks() -> str:
    """Why there can be no Slurm here; empty if there can."""
    if sys.platform != "linux":
        return "Slurm needs Linux"
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name, path=PATH) is None]
    return f"no {', '.join(missing)}: apt-get install --no-install-recommends slurm-wlm munge" if missing else ""


class TwoNodes:
    """A running Slurm, its state and logs in the folder `base`; `environment` is what its users need."""

    def __init__(self, base: Path, cores: int) -> None:
        """Start it: base is an empty folder, cores are those of each node. Raises TimeoutError if it does not come."""
        self.base, self._configuration = base, {"SLURM_CONF": str(base / "slurm.conf")}
        self.environment = {**self._configuration, "PATH": f"{base}/bin{os.pathsep}{PATH}"}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        (base / "state").mkdir()
        (base / "bin").mkdir()
        (base / "bin/srun").write_text(SRUN.format(base=base, srun=shutil.which("srun", path=PATH)))
        (base / "bin/srun").chmod(0o755)
        (base / "munge.key").write_bytes(secrets.token_bytes(128))
        (base / "munge.key").chmod(0o600)
        (base / "slurm.conf").write_text(
            CONFIGURATION.format(
                base=base,
                user=getpass.getuser(),
                host=platform.node().split(".")[0],
                ports=free_ports(3),
                cores=cores,
                memory=psutil.virtual_memory().total // 2**20 // len(NODES),
            )
        )
        files = [f"--{name}-file={base}/munge.{name}" for name in ("key", "pid", "log", "seed")]
        self._start("munged", "munged", "--foreground", "--force", f"--socket={base}/munge.socket", *files)
        wait(lambda: (base / "munge.socket").exists())
        self._start("slurmctld", "slurmctld", "-D")
        for name in NODES:
            self.start_node(name)
        wait(self._is_idle)

    def close(self) -> None:
        """End it and all that runs on it."""
        for name in NODES:
            self.kill_node(name)
        for daemon in self._daemons.values():
            daemon.terminate()
            daemon.wait()

    def start_node(self, name: str) -> None:
        (self.base / name).mkdir(exist_ok=True)
        self._start(name, "slurmd", "-D", "-N", name)

    def kill_node(self, name: str) -> None:
        """Kill -9 of a node's daemon and of all that runs there."""
        if name in self._daemons:
            daemon = self._daemons.pop(name)
            daemon.kill()
            daemon.wait()
        here = {"SLURMD_NODENAME": name, **self._configuration}
        steps, work = [], []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if here.items() <= process.environ().items():
                    work.append(process)
                    steps += [parent for parent in process.parents() if parent.name() == "slurmstepd"]
        for process in (*steps, *work):  # first those who would tell what became of the others
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def call(self, *words: str) -> list[str]:
        """The words that one of Slurm's commands prints."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.split()

    def _is_idle(self) -> bool:
        with contextlib.suppress(subprocess.CalledProcessError):  # the daemon does not answer yet
            return self.call("sinfo", "-h", "-o", "%t %D") == ["idle", "2"]
        return False

    def jobs(self, *states: str) -> list[str]:
        """Numbers of the jobs in one of these states, as "RUNNING"."""
        return self.call("squeue", "-h", "-o", "%i", "-t", ",".join(states))

    def _start(self, name: str, *command: str) -> None:
        with (self.base / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                [str(shutil.which(command[0], path=PATH)), *command[1:]],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,
            )


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait(until: Callable[[], bool], seconds: float = 60) -> None:
    """Return when `until` holds. Raises TimeoutError after so many seconds."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.1)
