"""Every pair of ranks is linked, whatever stands between them, and each link carries 256 KiB each way unharmed."""

from __future__ import annotations

import time
from itertools import combinations

import pytest
from conftest import SOAK
from lab import Lab, Outcome, Site


def path(outcomes: list[Outcome], a: int, b: int) -> str:
    """The path of a link, on which both ends must agree."""
    there, back = outcomes[a].link(b), outcomes[b].link(a)
    assert there["path"] == back["path"], (a, b, there, back)
    # By default only a link between private addresses is in the clear. The lab's public ones are 198.18.0.0/15, 2001:db8::/32.
    private = there["path"] == "host" and "192.168." in there["remote"]
    assert (there["cipher"] != "", back["cipher"] != "") == (not private, not private), (there, back)
    return str(there["path"])


def expected(first: str, second: str) -> str:
    """What gets through between two sites. A symmetric NAT can talk to whoever takes what comes from any port."""
    if "symmetric" not in (first, second):
        return "punched"
    other = second if first == "symmetric" else first
    return "punched" if other in ("fullcone", "none") else "relay"


def check(sites: list[str | Site], **options: object) -> None:
    with Lab(sites, **options) as lab:  # type: ignore[arg-type]
        outcomes = lab.run()
        for a, b in combinations(range(len(lab.workers)), 2):
            kinds = [lab.sites[lab.workers[worker].site].kind for worker in (a, b)]
            if lab.workers[a].site == lab.workers[b].site:
                # Without address translation the place where the server sees a worker is the worker's own.
                want = ["host", "punched"] if lab.ipv6 else ["host"]
            else:
                # A public address is both where the worker is and where the server sees it: whichever is first.
                want = ["punched", "host"] if "none" in kinds else [expected(kinds[0], kinds[1])]
            assert path(outcomes, a, b) in want, (a, b, kinds, path(outcomes, a, b))


@pytest.mark.parametrize("kind", ["cone", "shift", "fullcone"])
def test_punched(kind):
    check([kind] * 3)


def test_punched_where_what_was_not_asked_for_is_answered_with_a_reset():
    check([Site("rst", delay_ms=5)] * 3)


def test_two_workers_behind_one_nat():
    check([Site("cone", workers=2), "cone"])


def test_mixed():
    check(["cone", "shift", Site("rst", delay_ms=5), "fullcone", "none"])


def test_symmetric_goes_by_the_relay():
    check(["symmetric", "cone", "symmetric"])


def test_symmetric_with_an_open_door():
    check(["symmetric", "fullcone", "none"])


def test_ipv6_alone():
    check(["cone", "cone", Site("cone", workers=2)], ipv6=True)


@pytest.mark.skipif(not SOAK, reason="all kinds with all: WEFT_SOAK=1")
@pytest.mark.parametrize("delay_ms", [0.0, 5.0, 40.0])
def test_all_kinds_with_all(delay_ms):
    kinds = ["cone", "shift", "rst", "fullcone", "none", "symmetric"]
    check([Site(kind, delay_ms=delay_ms or (5.0 if kind == "rst" else 0.0)) for kind in kinds])


@pytest.mark.parametrize("percent", [1] if not SOAK else [1, 3])
def test_with_loss(percent):
    with Lab([Site("cone", delay_ms=5), Site("shift", delay_ms=5), Site("cone", delay_ms=5), "symmetric"]) as lab:
        lab.serve()
        lab.lose(percent)
        outcomes = lab.run()
        assert {path(outcomes, a, 3) for a in range(3)} == {"relay"}
        # What was lost may cost a punched link its time; most get through.
        assert "punched" in {path(outcomes, a, b) for a, b in combinations(range(3), 2)}


@pytest.mark.parametrize("after", [16, 32, 64])
def test_a_link_that_dies_after_some_bytes_is_found_out(after):
    with Lab(["cone", "cone", "cone"]) as lab:
        lab.serve()
        lab.black_hole(0, after * 1024)
        outcomes = lab.run()
        # Paired again three times, and then relayed; the others are not touched by it.
        assert path(outcomes, 0, 1) == path(outcomes, 0, 2) == "relay"
        assert path(outcomes, 1, 2) == "punched"


def test_relay_at_once():
    with Lab(["symmetric", "symmetric"]) as lab:
        outcomes = lab.run(WEFT_RELAY_AFTER="0.05")
        assert path(outcomes, 0, 1) == "relay"
        assert outcomes[0].said["links"][0]["seconds"] < 1.5


def test_many_bytes_through_the_relay():
    with Lab(["symmetric", "cone"]) as lab:
        lab.serve()
        outcomes = lab.run([*lab.rank_command(), "--bytes", str(64 << 20)], WEFT_RELAY_AFTER="0.05")
        assert path(outcomes, 0, 1) == "relay"


def test_paired_again_three_times_and_then_relayed():
    with Lab(["cone", "shift"]) as lab:
        lab.serve()
        lab.black_hole(0, 32 * 1024)
        outcomes = lab.run(WEFT_RELAY_AFTER="25")
        assert path(outcomes, 0, 1) == "relay"
        for outcome in outcomes:
            assert 3 < outcome.said["links"][0]["seconds"] < 20


def test_the_store_is_another_one():
    """The rendezvous server pairs ranks that meet in another store."""
    with Lab(["cone", "cone"]) as lab:
        lab.serve()
        lab.start_server(lab.server_port + 1)
        outcomes = lab.run(WEFT_STORE=f"rendezvous://{lab.server_address}:{lab.server_port + 1}")
        assert path(outcomes, 0, 1) == "punched"


def test_the_server_is_started_again_in_the_middle():
    """Ranks enter its room again, and pairing goes on."""
    with Lab(["symmetric", "cone", "cone"]) as lab:
        processes = lab.launch(WEFT_RELAY_AFTER="4")
        time.sleep(1.5)
        assert lab.server is not None
        lab.server.kill()
        lab.server.wait()
        time.sleep(0.5)
        lab.serve()
        outcomes = lab.collect(processes)
        assert all(outcome.code == 0 for outcome in outcomes), [(o.said, o.err) for o in outcomes]
        assert path(outcomes, 0, 1) == path(outcomes, 0, 2) == "relay"
