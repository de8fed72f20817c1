"""The toy study on a real Slurm of two nodes: a cancelled job, a dead node, a dead client, and the same bits.

Run by `make test-slurm`; other tests leave it out.
"""

import os
import re
from collections.abc import Iterator

import pytest

from tests.made_studies import Study
from tests.slurm import two_nodes
from tests.slurm.two_nodes import SNAKEMAKE, TwoNodes, wait

pytestmark = pytest.mark.skipif("JSAE_TEST_SLURM" not in os.environ, reason="run by make test-slurm")
CLIENT = (*SNAKEMAKE, "--cores", "2")  # of a node


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    if lacks := two_nodes.lacks():
        pytest.skip(lacks)
    nodes = TwoNodes(tmp_path_factory.mktemp("slurm"), cores=2)
    yield nodes
    nodes.close()


@pytest.fixture
def study(toy: Study, cluster: TwoNodes) -> Study:
    """A toy study whose stages wait for the file "hold" to go."""
    toy.environment |= cluster.environment
    toy.write("hold", "")
    return toy


def running(cluster: TwoNodes) -> list[str]:
    """Numbers of the jobs that run, as soon as one does."""
    wait(lambda: bool(cluster.jobs("RUNNING")), 300)
    return cluster.jobs("RUNNING")


def test_a_cancelled_job_and_a_dead_node_are_made_good_by_the_same_run(
    study: Study, cluster: TwoNodes, calm: dict[str, bytes]
) -> None:
    client = study.start(*CLIENT)
    cancelled = running(cluster)[0]
    cluster.call("scancel", cancelled)
    wait(lambda: cancelled in cluster.jobs("CANCELLED"))
    job = running(cluster)[0]  # submitted again
    (node,) = cluster.call("squeue", "-h", "-j", job, "-o", "%N")
    cluster.kill_node(node)
    wait(lambda: "Restarts=1" in cluster.call("scontrol", "show", "job", job))  # by Slurm, on the other node
    cluster.call("scontrol", "update", f"jobid={job}", "starttime=now")  # not in two minutes
    (study.root / "hold").unlink()
    assert client.wait(600) == 0, client.text()
    assert study.results() == calm
    assert "up to date" in study.run("dvc", "status")
    cluster.start_node(node)


def test_a_dead_client_loses_nothing(study: Study, cluster: TwoNodes, calm: dict[str, bytes]) -> None:
    client = study.start(*CLIENT)
    running(cluster)
    client.kill()
    client.wait()
    (run,) = re.findall("SLURM run ID: (.+)", client.text())
    cluster.call("scancel", "--name", run)  # as docs/running.md says
    wait(lambda: not cluster.jobs("PENDING", "RUNNING", "COMPLETING"))
    (study.root / "hold").unlink()
    assert study.run(*CLIENT)
    assert study.results() == calm
    assert "up to date" in study.run("dvc", "status")
