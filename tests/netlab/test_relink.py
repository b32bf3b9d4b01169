"""Links through NATs that break are made again, by a hole or by the relay, and what goes over them is unharmed."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from lab import RANK, Lab, Outcome, Site


def run(lab: Lab, trouble: Callable[[Lab], None], *options: str, **variables: str) -> list[Outcome]:
    """Ranks that exchange all the time while the trouble is made; all must end well."""
    processes = lab.launch([str(RANK), *options], **variables)
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "linked\n"
    trouble(lab)
    outcomes = lab.collect(processes)
    assert all(outcome.code == 0 for outcome in outcomes), [(o.rank, o.text, o.err) for o in outcomes]
    return outcomes


def remade(outcomes: list[Outcome], a: int, b: int) -> int:
    """How often the link was made again, which both ends know."""
    counts = {
        link["remade"]
        for rank, peer in ((a, b), (b, a))
        for link in outcomes[rank].said["links"]
        if link["peer"] == peer
    }
    assert len(counts) == 1, counts
    return int(counts.pop())


@pytest.mark.parametrize("kinds", [("cone", "cone"), ("cone", "symmetric"), ("shift", "rst")])
def test_resets_while_bytes_flow(kinds):
    with Lab([Site(kind, delay_ms=2) for kind in kinds]) as lab:
        outcomes = run(lab, lambda lab: lab.reset_links(0), "--flow", "8", WEFT_RELAY_AFTER="0.5")
        assert remade(outcomes, 0, 1) >= 1 or kinds[1] == "symmetric"  # what is relayed goes to the server alone


def test_resets_while_nobody_says_anything():
    with Lab(["cone", "cone", "cone"]) as lab:
        outcomes = run(lab, lambda lab: lab.reset_links(1, seconds=3), "--idle", "6")
        assert remade(outcomes, 0, 1) >= 1
        assert remade(outcomes, 0, 2) == 0


def test_a_cable_that_is_out_for_a_moment():
    def trouble(lab: Lab) -> None:
        lab.cut(1)
        time.sleep(2)
        lab.mend(1)

    with Lab(["cone", "cone", "shift"]) as lab:
        run(lab, trouble, "--flow", "10")


def test_a_link_that_dies_after_some_bytes_again_and_again():
    """The probe of 128 KiB finds nothing; each punched connection dies later on."""
    with Lab(["cone", "cone", "cone"]) as lab:
        lab.serve()
        lab.black_hole(0, 700 * 1024)
        outcomes = run(lab, lambda lab: None, "--bytes", str(500 << 10), "--flow", "1")
        assert remade(outcomes, 0, 1) >= 1
        assert remade(outcomes, 1, 2) == 0


def test_the_relay_is_started_again():
    def trouble(lab: Lab) -> None:
        assert lab.server is not None
        lab.server.kill()
        lab.server.wait()
        lab.serve()

    with Lab(["cone", "symmetric", "symmetric"]) as lab:
        outcomes = run(lab, trouble, "--flow", "8", WEFT_RELAY_AFTER="0.2")
        assert all(remade(outcomes, a, b) >= 1 for a, b in ((0, 1), (0, 2), (1, 2)))


def test_a_nat_that_forgets_after_three_idle_seconds():
    with Lab(["cone", "shift", "symmetric"]) as lab:
        lab.forget_after(3)
        run(lab, lambda lab: None, "--idle", "12", WEFT_RELAY_AFTER="0.5")


def test_the_server_is_gone_and_so_is_the_path():
    """Nothing is left to make the link again with: an error in time, that says what was tried."""

    def trouble(lab: Lab) -> None:
        assert lab.server is not None
        lab.server.kill()
        lab.server.wait()
        lab.reset_links(0, seconds=5)

    with Lab(["cone", "cone"]) as lab:
        processes = lab.launch([str(RANK), "--flow", "30"])
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "linked\n"
        begin = time.time()
        trouble(lab)
        for outcome in lab.collect(processes, hang=40):
            assert outcome.said["ok"] is False
            assert outcome.said["peer"] == 1 - outcome.rank
            assert "could not be made again" in outcome.said["error"], outcome.said
            assert outcome.said["at"] - begin < 10
