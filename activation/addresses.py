"""Which addresses a webhook may reach: an operator's URL must not become a way into the network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

# Where clouds hand out credentials, and what stands for no single host. Never, on any setting.
_NEVER = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "169.254.0.0/16",
            "100.100.100.200/32",
            "168.63.129.16/32",
            "192.0.0.192/32",
            "224.0.0.0/3",
            "::/128",
            "fe80::/10",
            "fd00:ec2::/32",
            "ff00::/8",
        ),
    )
)
_SHARED = ip_network("100.64.0.0/10")  # carrier-grade NAT: private too, by another name
_NAT64 = IPv6Network("64:ff9b::/96")


def is_forbidden(address: str, *, private: bool) -> bool:
    """Whether a webhook may not go there; `private` says that private networks are fine."""
    found = _plain(ip_address(address.partition("%")[0]))
    if any(found in network for network in _NEVER):
        return True
    return not private and (not found.is_global or found in _SHARED)


def is_forbidden_host(host: str, *, private: bool = True) -> bool:
    """Likewise, of a host in a URL; a name is not looked up here."""
    try:
        return is_forbidden(host.strip("[]"), private=private)
    except ValueError:
        return False


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address in IPv6 clothes, undressed."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
