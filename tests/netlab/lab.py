"""Worlds of workers behind NATs, in network namespaces.

The public namespace has the rendezvous server. Each site is a NAT namespace with an interface `wan` in the public network
and, behind it, the namespaces of its workers; all sites use the same private addresses. The public network is a bridge,
or, where a delay or a rate is asked for, a switch in user space (switch.cc)::

    public (server) --- bridge or switch --+-- NAT 0 (wan, lan) --- worker 0
                                           +-- NAT 1 (wan, lan) --+ worker 1
                                           +-- ...                + worker 2
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import namespaces as ns
import nat

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEFT_BUILD", ROOT / "build" / "release"))
RANK = BUILD / "tests" / "netlab_rank"
SWITCH = BUILD / "tests" / "netlab_switch"
SERVER = BUILD / "cli" / "weft-rendezvous"
SERVER_PORT = 7070
#: The server's HTTP port, above the other one.
METRICS_ABOVE = 2000
#: What hangs, hangs for ever.
HANG = 90.0


@dataclass(frozen=True)
class Site:
    """One NAT and its workers. `delay_ms` is one way, on the line between it and the switch."""

    kind: str
    workers: int = 1
    delay_ms: float = 0.0


@dataclass
class Worker:
    """One place where a rank can run."""

    site: int
    namespace: str


@dataclass
class Outcome:
    """What a rank said at its end."""

    rank: int
    code: int
    seconds: float
    said: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    err: str = ""

    def link(self, peer: int) -> dict[str, Any]:
        """What it said of its link to a peer."""
        return next(link for link in self.said["links"] if link["peer"] == peer)

    def paths(self) -> dict[int, str]:
        """The path of the link to each peer."""
        return {link["peer"]: link["path"] for link in self.said["links"]}


class Lab:
    """Built by ``with``; taken down at its end, whatever happened."""

    def __init__(
        self, sites: Sequence[str | Site], *, rate: int = 0, ipv6: bool = False, server_options: Sequence[str] = ()
    ) -> None:
        self.sites = [Site(site) if isinstance(site, str) else site for site in sites]
        self.ipv6 = ipv6
        self.server_options = server_options
        self.rate = rate
        self.workers: list[Worker] = []
        self.public = ""
        self.server: subprocess.Popen[str] | None = None
        self.server_port = SERVER_PORT
        self.key = secrets.token_hex(16)
        self._names: list[str] = []
        self._processes: list[subprocess.Popen[str]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="weft-netlab-")
        self._host = ExitStack()

    # -- building ------------------------------------------------------------------------------------------------

    def __enter__(self) -> Lab:
        try:
            ns.sweep()
            self._host.enter_context(ns.many_neighbours())
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def server_address(self) -> str:
        return "2001:db8::1" if self.ipv6 else "198.18.0.1"

    def wan_address(self, site: int) -> str:
        return f"2001:db8::1:{site + 1:x}" if self.ipv6 else f"198.18.{1 + site // 250}.{site % 250 + 1}"

    def nat(self, site: int) -> str:
        """The namespace of a site's NAT."""
        return f"{self._prefix}-n{site}"

    def _build(self) -> None:
        self._prefix = ns.fresh_prefix()
        self.public = f"{self._prefix}-pub"
        names = [self.public]
        for number, site in enumerate(self.sites):
            names += self._place(number, site)
        self._add_namespaces(names)
        self._connect()
        for number, site in enumerate(self.sites):
            self._build_site(number, site)

    def _place(self, number: int, site: Site) -> list[str]:
        """Makes out the places of a site's workers; returns the namespaces that it needs."""
        names = [self.nat(number)]
        for worker in range(site.workers):
            if site.kind != "none":
                names.append(f"{self._prefix}-w{number}_{worker}")
            self.workers.append(Worker(number, names[-1]))
        return names

    def _add_namespaces(self, names: list[str]) -> None:
        self._names += names
        ns.ip([f"netns add {name}" for name in names])
        for name in names:
            self._settings(name)

    def add(self, site: Site) -> Worker:
        """One more site of one worker, on the bridge of a lab that is up; returns its worker. One thread at a time."""
        number = len(self.sites)
        self.sites.append(site)
        self._add_namespaces(self._place(number, site))
        self._plug(number)
        self._build_site(number, site)
        return self.workers[-1]

    def remove(self, site: int) -> None:
        """Takes away a site and what runs there; its number is not used again. One thread at a time."""
        names = [self.nat(site), *(worker.namespace for worker in self.workers if worker.site == site)]
        gone = [name for name in dict.fromkeys(names) if name in self._names]
        ns.remove(gone)
        self._names = [name for name in self._names if name not in gone]

    def _settings(self, name: str) -> None:
        ns.ip(["link set lo up"], name)
        ns.sysctl(
            name,
            net__ipv4__ip_local_port_range=f"{nat.PORTS.start} {nat.PORTS.stop - 1}",
            net__ipv4__ip_forward=1,
            net__ipv6__conf__all__forwarding=1,
            net__ipv6__conf__default__accept_dad=0,
            net__ipv6__conf__all__accept_dad=0,
            net__netfilter__nf_conntrack_acct=1,
        )

    def _connect(self) -> None:
        """Gives the public namespace and each NAT an interface `wan` in one network."""
        delayed = self.rate > 0 or any(site.delay_ms > 0 for site in self.sites)
        if delayed:
            lines = [f"{self.public},wan,0,0"]
            lines += [
                f"{self.nat(number)},wan,{round(site.delay_ms * 1000)},{self.rate}"
                for number, site in enumerate(self.sites)
            ]
            switch = subprocess.Popen([str(SWITCH), *lines], stdout=subprocess.PIPE, text=True)
            self._processes.append(switch)
            assert switch.stdout is not None
            if switch.stdout.readline() != "ready\n":
                raise ns.LabError("the switch did not start")
        else:
            ns.ip(["link add wan type bridge"], self.public)
        ns.ip([f"addr add {self.server_address}/{self._bits} dev wan", "link set wan up"], self.public)
        for number in range(len(self.sites)):
            if delayed:
                self._address(number)
            else:
                self._plug(number)

    @property
    def _bits(self) -> int:
        return 64 if self.ipv6 else 16

    def _address(self, number: int) -> None:
        ns.ip([f"addr add {self.wan_address(number)}/{self._bits} dev wan", "link set wan up"], self.nat(number))

    def _plug(self, number: int) -> None:
        """Connects a site's NAT with the bridge."""
        ns.ip([f"link add wan netns {self.nat(number)} type veth peer name site{number} netns {self.public}"])
        ns.ip([f"link set site{number} master wan up"], self.public)
        self._address(number)

    def _build_site(self, number: int, site: Site) -> None:
        router = self.nat(number)
        inside = [worker.namespace for worker in self.workers if worker.namespace != router and worker.site == number]
        if inside:
            ns.ip(["link add lan type bridge"], router)
        gateway = f"2001:db8:1:{number + 1:x}::1" if self.ipv6 else "192.168.77.1"
        bits = 64 if self.ipv6 else 24
        default = "route add default"
        first = ""
        for index, name in enumerate(inside):
            address = f"2001:db8:1:{number + 1:x}::{index + 10:x}" if self.ipv6 else f"192.168.77.{index + 10}"
            first = first or address
            ns.ip([f"link add eth netns {name} type veth peer name worker{index} netns {router}"])
            ns.ip([f"link set worker{index} master lan up"], router)
            ns.ip([f"addr add {address}/{bits} dev eth", "link set eth up", f"{default} via {gateway}"], name)
        if inside:
            ns.ip([f"addr add {gateway}/{bits} dev lan", "link set lan up"], router)
        if self.ipv6:
            self._route6(number, router)
        elif site.kind != "none":
            ns.nft(router, nat.KINDS[site.kind](self.wan_address(number), first))

    def _route6(self, number: int, router: str) -> None:
        others = [
            name for name in (self.public, *(self.nat(site) for site in range(len(self.sites)))) if name != router
        ]
        for other in others:
            ns.ip([f"route add 2001:db8:1:{number + 1:x}::/64 via {self.wan_address(number)}"], other)
        ns.nft(router, nat.FIREWALL6)

    # -- faults --------------------------------------------------------------------------------------------------

    def cut(self, site: int) -> None:
        """Pulls the cable between a NAT and the public network."""
        ns.nft(self.nat(site), nat.cut())

    def mend(self, site: int) -> None:
        ns.nft(self.nat(site), "delete table inet weft_cut\n")

    def lose(self, percent: float) -> None:
        """From now on loses this share of the packets that come in, at every NAT and at the server."""
        for name in (self.public, *(self.nat(site) for site in range(len(self.sites)))):
            ns.nft(name, "add table inet weft_loss\ndelete table inet weft_loss\n")
            if percent > 0:
                ns.nft(name, nat.loss(percent))

    def limit(self, site: int, bytes_per_second: int) -> None:
        ns.nft(self.nat(site), nat.rate(bytes_per_second))

    def shape(self, site: int, bytes_per_second: int) -> None:
        """A site's line takes so much each way, and what comes faster waits for up to a second, in the kernel. On the
        bridge alone: the switch has rates of its own."""
        how = f"root tbf rate {bytes_per_second * 8}bit burst 64kb latency 1s".split()
        for namespace, device in ((self.nat(site), "wan"), (self.public, f"site{site}")):
            ns.run(["tc", "-n", namespace, "qdisc", "replace", "dev", device, *how])

    def black_hole(self, site: int, after: int) -> None:
        """Connections between this site's workers and those of others die after so many bytes."""
        ns.nft(self.nat(site), nat.black_hole(after, self.server_address, "ip6" if self.ipv6 else "ip"))

    def reset_links(self, site: int, seconds: float = 0.3) -> None:
        """For so long, whatever this site's workers and those of others send each other is answered with a reset."""
        ns.nft(self.nat(site), nat.resets(self.server_address, "ip6" if self.ipv6 else "ip"))
        time.sleep(seconds)
        ns.nft(self.nat(site), "delete table inet weft_resets\n")

    def forget_after(self, seconds: int) -> None:
        """NATs forget connections that are idle for so long."""
        for site in range(len(self.sites)):
            ns.sysctl(self.nat(site), net__netfilter__nf_conntrack_tcp_timeout_established=seconds)

    # -- running -------------------------------------------------------------------------------------------------

    def start(self, namespace: str, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        process = ns.start(namespace, command, **options)
        self._processes.append(process)
        return process

    def serve(self) -> None:
        """Starts the rendezvous server in the public namespace."""
        self.server = self.start_server(SERVER_PORT)

    def start_server(self, port: int) -> subprocess.Popen[str]:
        key_file = self.key_file
        key_file.write_text(self.key)
        host = "[::]" if self.ipv6 else "0.0.0.0"
        server = self.start(
            self.public,
            [
                *(str(SERVER), "--listen", f"{host}:{port}", "--key-file", str(key_file)),
                *("--http-listen", f"127.0.0.1:{port + METRICS_ABOVE}", *self.server_options),
            ],
            stdout=subprocess.PIPE,
        )
        # It stands for a host of its own: it does not take turns with a hundred workers on this one's cores.
        os.setpriority(os.PRIO_PROCESS, server.pid, -10)
        assert server.stdout is not None
        if str(port) not in server.stdout.readline():
            raise ns.LabError("the rendezvous server did not start")
        return server

    def metrics(self) -> dict[str, float]:
        """What the rendezvous server says of itself, by name and labels."""
        address = f"http://127.0.0.1:{SERVER_PORT + METRICS_ABOVE}/metrics"
        script = f"import urllib.request as u; print(u.urlopen({address!r}, timeout=30).read().decode())"
        text = ns.run(["ip", "netns", "exec", self.public, sys.executable, "-c", script])
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    @property
    def key_file(self) -> Path:
        """The server's admission key, once it was started."""
        return Path(self._folder.name) / "key"

    def environment(self, rank: int, world: int, job: Mapping[str, str]) -> dict[str, str]:
        host = f"[{self.server_address}]" if self.ipv6 else self.server_address
        return {
            **os.environ,
            "WEFT_RENDEZVOUS": f"{host}:{SERVER_PORT}",
            "WEFT_RENDEZVOUS_KEY": self.key,
            "WEFT_RANK": str(rank),
            "WEFT_WORLD_SIZE": str(world),
            "WEFT_THREADS": "1",
            **job,
        }

    def rank_command(self) -> list[str]:
        """The rank in C++ that `launch` starts by default."""
        return [str(RANK)]

    def launch(
        self,
        command: Sequence[str] = (str(RANK),),
        *,
        late: int | None = None,
        each: Mapping[int, Mapping[str, str]] | None = None,
        **variables: Any,
    ) -> list[subprocess.Popen[str]]:
        """Starts one rank a worker, of a new job. Rank `late` never comes: in its place a process sleeps. `each` has
        variables of single ranks."""
        if self.server is None:
            self.serve()
        world = len(self.workers)
        job = {"WEFT_JOB": f"lab-{secrets.token_hex(4)}", "WEFT_SECRET": secrets.token_hex(32), **variables}
        return [
            self.start(
                worker.namespace,
                ["sleep", "600"] if rank == late else command,
                env={**self.environment(rank, world, job), **(each or {}).get(rank, {})},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for rank, worker in enumerate(self.workers)
        ]

    def collect(self, processes: Sequence[subprocess.Popen[str]], hang: float = HANG) -> list[Outcome]:
        """Waits for ranks to end; the last line of each is its JSON."""
        begin = time.monotonic()
        outcomes = []
        for rank, process in enumerate(processes):
            try:
                out, err = process.communicate(timeout=max(0.1, hang - (time.monotonic() - begin)))
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                err += "\nnetlab: it did not end"
            lines = [line for line in out.splitlines() if line.startswith("{")]
            said = json.loads(lines[-1]) if lines else {}
            outcomes.append(Outcome(rank, process.returncode, time.monotonic() - begin, said, out, err))
        return outcomes

    def run(self, command: Sequence[str] = (str(RANK),), **variables: Any) -> list[Outcome]:
        """Runs a job to its end; every rank must end well."""
        outcomes = self.collect(self.launch(command, **variables))
        for outcome in outcomes:
            if outcome.code != 0:
                everything = "\n".join(f"rank {o.rank}: {o.text}{o.err[-4000:]}" for o in outcomes)
                raise AssertionError(f"rank {outcome.rank}: exit code {outcome.code}\n{everything}")
        return outcomes

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
        for process in self._processes:
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        there = set(ns.run(["ip", "netns", "list"]).split())
        ns.remove([name for name in self._names if name in there])
        self._names = []
        self._host.close()
        self._folder.cleanup()
