"""Makes the network interface of a member in its sandbox: `python -I -S interface.py PID ADDRESS DESCRIPTOR`.

The sandbox has a network name space with nothing but a loopback. This enters it from outside, as who made it, adds an
interface whose packets nobody but the holder of its descriptor sees, and sends that descriptor back over the Unix
socket DESCRIPTOR. A process of its own, because a program with threads cannot enter another's name spaces. Standard
library only: it is run by its path.

Source: Linux man-pages setns(2), ioctl_ns(2), netdevice(7); the kernel's Documentation/networking/tuntap.rst.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

DEVICE = "/dev/net/tun"
NAME = b"gang0"
_NETMASK = "255.255.255.0"
MTU = 60_000  # as large as it goes: each packet costs the same, whatever its size
_NS_GET_USERNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0xB701, 0x10000000, 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFMTU, _SIOCSIFFLAGS = 0x8916, 0x891C, 0x8922, 0x8914
_IFF_UP_RUNNING = 0x41


def enter_network_of(pid: int) -> None:
    """Move this process into the network name space of another one, with the rights of who made that.

    Raises:
        OSError: the process is gone, or it is not ours.
    """
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if os.geteuid() != 0:  # root may enter anyway; others have their rights in the user name space that they have made
        _enter(fcntl.ioctl(network, _NS_GET_USERNS), _CLONE_NEWUSER)
    _enter(network, _CLONE_NEWNET)


def make(address: str) -> int:
    """Add the interface with this address to the network of this process; its descriptor carries the packets.

    Raises:
        OSError: this machine has no such interfaces, or they are not for this user.
    """
    interface = os.open(DEVICE, os.O_RDWR)
    fcntl.ioctl(interface, _TUNSETIFF, struct.pack("16sH22x", NAME, _IFF_TUN | _IFF_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFADDR, _with_address(address))
        fcntl.ioctl(control, _SIOCSIFNETMASK, _with_address(_NETMASK))
        fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si20x", NAME, MTU))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", NAME, _IFF_UP_RUNNING))
    return interface


def main(pid: int, address: str, descriptor: int) -> None:
    """Send the interface's descriptor to whoever has started this."""
    with socket.socket(fileno=descriptor) as starter:
        enter_network_of(pid)
        socket.send_fds(starter, [b"!"], [make(address)])


def _with_address(address: str) -> bytes:
    return struct.pack("16sH2x4s16x", NAME, socket.AF_INET, socket.inet_aton(address))


def _enter(namespace: int, kind: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, kind) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
