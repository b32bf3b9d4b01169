"""The rules of each kind of NAT, for nftables 1.0.6 and newer."""

from __future__ import annotations

from collections.abc import Callable

#: Local ports of workers, and what `shift` makes of them.
PORTS = range(40000, 41000)
SHIFTED_BY = 10000

_FORWARD = """
 chain forwarding {
  type filter hook forward priority filter; policy drop;
  ct state established,related accept
  iifname "lan" accept
  iifname "wan" ct status dnat accept
 }
"""
_DEAF = """
 chain incoming {
  type filter hook input priority filter; policy accept;
  iifname "wan" ct state new drop
 }
"""


def _ruleset(source_nat: str, *, deaf: bool = True, more: str = "") -> str:
    return (
        f"table ip weft_nat {{\n chain post {{\n  type nat hook postrouting priority srcnat; policy accept;\n"
        f"{source_nat}\n }}\n{more}\n}}\n"
        f"table ip weft_filter {{\n{_FORWARD}\n{_DEAF if deaf else ''}\n}}\n"
    )


def cone(public: str, worker: str) -> str:
    """A mapping for a local port, whatever it talks to; lets in only what answers. Says nothing to the rest."""
    return _ruleset('  oifname "wan" masquerade')


def rst(public: str, worker: str) -> str:
    """As `cone`, but answers what nobody asked for with a reset."""
    return _ruleset('  oifname "wan" masquerade', deaf=False)


def symmetric(public: str, worker: str) -> str:
    """Another mapping for each destination."""
    return _ruleset('  oifname "wan" masquerade fully-random')


def shift(public: str, worker: str) -> str:
    """A mapping for a local port, but never the same number."""
    pairs = ", ".join(f"{port} : {port + SHIFTED_BY}" for port in PORTS)
    return _ruleset(
        f'  oifname "wan" ip protocol tcp snat to {public} : tcp sport map {{ {pairs}\n }}\n  oifname "wan" masquerade'
    )


def fullcone(public: str, worker: str) -> str:
    """Whatever comes in is for the one worker."""
    inward = (
        " chain pre {\n  type nat hook prerouting priority dstnat; policy accept;\n"
        f'  iifname "wan" tcp dport {PORTS.start}-{PORTS.stop - 1} dnat to {worker}\n }}'
    )
    return _ruleset('  oifname "wan" masquerade', more=inward)


#: By kind. `none` is a worker with a public address, and has no rules.
KINDS: dict[str, Callable[[str, str], str]] = {
    "cone": cone,
    "rst": rst,
    "symmetric": symmetric,
    "shift": shift,
    "fullcone": fullcone,
}

#: IPv6 needs no NAT; what stands in the way is a firewall that lets in only what answers.
FIREWALL6 = """
table ip6 weft_filter {
 chain forwarding {
  type filter hook forward priority filter; policy drop;
  ct state established,related accept
  iifname "lan" accept
  meta l4proto icmpv6 accept
 }
}
"""


def cut() -> str:
    """The cable is out."""
    return """
table inet weft_cut {
 chain pre {
  type filter hook prerouting priority -400; policy accept;
  iifname "wan" drop
 }
 chain post {
  type filter hook postrouting priority 400; policy accept;
  oifname "wan" drop
 }
}
"""


def loss(percent: float) -> str:
    """Loses packets that come in."""
    some = "" if percent >= 100 else f"numgen random mod 10000 < {round(percent * 100)} "
    return f"""
table inet weft_loss {{
 chain pre {{
  type filter hook prerouting priority -390; policy accept;
  iifname "wan" {some}drop
 }}
}}
"""


def rate(bytes_per_second: int) -> str:
    """Drops what comes in faster."""
    return f"""
table inet weft_rate {{
 chain pre {{
  type filter hook prerouting priority -380; policy accept;
  iifname "wan" limit rate over {bytes_per_second} bytes/second burst 64 kbytes drop
 }}
}}
"""


def black_hole(after: int, server: str, family: str = "ip") -> str:
    """Swallows what connections between workers carry beyond their first `after` bytes, both ways together."""
    return f"""
table inet weft_hole {{
 chain forwarding {{
  type filter hook forward priority -10; policy accept;
  {family} saddr != {server} {family} daddr != {server} ct bytes > {after} drop
 }}
}}
"""


def resets(server: str, family: str = "ip") -> str:
    """Answers what workers send each other with a reset."""
    return f"""
table inet weft_resets {{
 chain forwarding {{
  type filter hook forward priority -10; policy accept;
  {family} saddr != {server} {family} daddr != {server} meta l4proto tcp reject with tcp reset
 }}
}}
"""
