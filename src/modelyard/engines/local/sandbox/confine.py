"""Confinement without namespaces: capabilities, Landlock, and a seccomp filter. Standard library only (ctypes).

Source: Linux man-pages landlock(7), seccomp(2), capabilities(7); linux/landlock.h, linux/bpf_common.h.
"""

import contextlib
import ctypes
import os
import platform
import socket
import struct

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAP_DAC_OVERRIDE = 1
_NEEDED_TO_SWITCH = 1 << _CAP_DAC_OVERRIDE | 1 << 6 | 1 << 7  # and CAP_SETGID, CAP_SETUID
_CAPABILITY_VERSION_3 = 0x20080522
_CLONE_NEWNET = 0x40000000

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION_FLAG = 1
_RULE_PATH = 1
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # ABI -> how many file-system rights it knows
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR = 1, 2, 4, 8
_FS_TRUNCATE, _FS_IOCTL = 1 << 14, 1 << 15
_FS_FILE_RIGHTS = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | _FS_TRUNCATE | _FS_IOCTL
_FS_READ = _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR
_ABI_NETWORK, _ABI_SCOPE = 4, 6

# System calls that training and serving never need and whose defects, or shared state, let others break out.
_REFUSED = {
    "x86_64": {
        "add_key": 248,
        "bpf": 321,
        "io_uring_setup": 425,
        "keyctl": 250,
        "perf_event_open": 298,
        "request_key": 249,
        "userfaultfd": 323,
    },
    "aarch64": {
        "add_key": 217,
        "bpf": 280,
        "io_uring_setup": 425,
        "keyctl": 219,
        "perf_event_open": 241,
        "request_key": 218,
        "userfaultfd": 282,
    },
}
_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SOCKET_CALL = {"x86_64": 41, "aarch64": 198}
_LOOPBACK_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
_NETLINK_ROUTE = 0  # which interfaces there are; every other kind of netlink is closed
_X32_BIT = 0x40000000
_SECCOMP_ALLOW, _SECCOMP_ERRNO_EACCES, _SECCOMP_ERRNO_ENOSYS = 0x7FFF0000, 0x00050000 | 13, 0x00050000 | 38
_LOAD_WORD, _JUMP_EQUAL, _JUMP_GREATER_OR_EQUAL, _RETURN = 0x20, 0x15, 0x35, 0x06

_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Adopt the orphans among one's descendants, so that none can leave the tree."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """SIGKILL for this process when the process that made it ends; now, if `parent` is gone already."""
    _prctl(_PR_SET_PDEATHSIG, 9)
    if os.getppid() != parent:
        os._exit(1)


def leave_network() -> None:
    """A network namespace with nothing in it, where that is allowed; seccomp covers the rest."""
    _libc.unshare(_CLONE_NEWNET)


def drop_privileges(own_user: int | None) -> None:
    """No capabilities and no way back to any; as root, also another user where that is allowed.

    That other user keeps CAP_DAC_OVERRIDE, because the folders above its own may be closed to it: which files it may
    touch is Landlock's to say, so give a user only together with Landlock.
    """
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, check=False)
    effective = _effective_capabilities()
    for capability in range(64):
        if effective >> capability & 1 and not (capability == _CAP_DAC_OVERRIDE and own_user is not None):
            _prctl(_PR_CAPBSET_DROP, capability, check=False)
    kept = 0
    if own_user is not None and effective & _NEEDED_TO_SWITCH == _NEEDED_TO_SWITCH and _switch_user(own_user):
        kept = 1 << _CAP_DAC_OVERRIDE
    _set_capabilities(kept)
    if kept:
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def landlock_abi() -> int:
    """Version of Landlock in this kernel; 0 if there is none."""
    return max(0, int(_libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION_FLAG)))


def restrict_files(readable: list[str], writable: list[str], listable: list[str], *, has_network: bool) -> None:
    """Allow this process and its children these paths only; no signals or abstract sockets beyond themselves.

    Args:
        readable: files and folders to read and execute.
        writable: files and folders to do anything with.
        listable: folders of which the names, and nothing more, may be read.
        has_network: False forbids TCP.

    Raises:
        OSError: the kernel has no Landlock.
    """
    abi = landlock_abi()
    rights = (1 << _FS_RIGHTS.get(abi, 16)) - 1
    network = 3 if abi >= _ABI_NETWORK and not has_network else 0
    scope = 3 if abi >= _ABI_SCOPE else 0
    attributes = struct.pack("=QQQ", rights, network, scope)
    size = 8 if abi < _ABI_NETWORK else 16 if abi < _ABI_SCOPE else 24
    ruleset = _checked(_libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0))
    for path in readable:
        _allow(ruleset, path, _FS_READ & rights)
    for path in writable:
        _allow(ruleset, path, rights)
    for path in listable:
        _allow(ruleset, path, _FS_READ_DIR)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _checked(_libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0))
    os.close(ruleset)


def refused_calls() -> dict[str, int]:
    """Name -> number of the system calls that `filter_calls` refuses on this processor."""
    return _REFUSED.get(platform.machine(), {})


def filter_calls(*, has_network: bool, has_loopback: bool = False) -> None:
    """From now on the system calls above are absent and, without network, socket() makes Unix sockets only.

    With a loopback of its own it makes internet sockets too, and may ask which interfaces there are (gloo does), and
    still none of a kind that leaves name spaces.

    On machines with another processor than x86-64 or ARM64 this does nothing.
    """
    machine = platform.machine()
    if machine not in _REFUSED:
        return
    families = _LOOPBACK_FAMILIES if has_loopback else (socket.AF_UNIX,)
    program = _filter_program(machine, None if has_network else families)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    header = ctypes.create_string_buffer(struct.pack("H6xP", len(program), ctypes.addressof(code)))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_SECCOMP, 2, ctypes.addressof(header))


def _filter_program(machine: str, families: tuple[int, ...] | None) -> list[tuple[int, int, int, int]]:
    """BPF instructions: (code, jump if true, jump if false, operand). Refused calls answer ENOSYS, sockets EACCES.

    Args:
        machine: the processor.
        families: kinds of sockets that are allowed; None: every kind.
    """
    refused = sorted(_REFUSED[machine].values())
    count = len(families or ())
    interfaces = [
        (_JUMP_EQUAL, 0, 3, socket.AF_NETLINK),
        (_LOAD_WORD, 0, 0, 32),  # third argument: the protocol
        (_JUMP_EQUAL, count + 2, 0, _NETLINK_ROUTE),
        (_RETURN, 0, 0, _SECCOMP_ERRNO_EACCES),
    ]
    special = interfaces if socket.AF_INET in (families or ()) else []
    socket_check = [
        (_JUMP_EQUAL, 0, len(special) + count + 2, _SOCKET_CALL[machine]),
        (_LOAD_WORD, 0, 0, 16),  # first argument: the family
        *special,
        *((_JUMP_EQUAL, count - index, 0, family) for index, family in enumerate(families or ())),
        (_RETURN, 0, 0, _SECCOMP_ERRNO_EACCES),
    ]
    tail = [
        *([] if families is None else socket_check),
        (_RETURN, 0, 0, _SECCOMP_ALLOW),
        (_RETURN, 0, 0, _SECCOMP_ERRNO_ENOSYS),
    ]
    to_end = len(refused) + len(tail) - 1  # from the first comparison below to the last instruction
    comparisons = [(_JUMP_EQUAL, to_end - index, 0, number) for index, number in enumerate(refused, 1)]
    return [
        (_LOAD_WORD, 0, 0, 4),  # the architecture, as the kernel's audit names it
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _SECCOMP_ERRNO_ENOSYS),
        (_LOAD_WORD, 0, 0, 0),  # the system call's number
        (_JUMP_GREATER_OR_EQUAL, to_end, 0, _X32_BIT),
        *comparisons,
        *tail,
    ]


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Add one path and all below it; one that does not exist is left out."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not os.path.isdir(path):
            rights &= _FS_FILE_RIGHTS
        rule = struct.pack("=Qi", rights, descriptor)
        _checked(_libc.syscall(_LANDLOCK_ADD, ruleset, _RULE_PATH, rule, 0))
        os.close(descriptor)


def _switch_user(user: int) -> bool:
    """Become `user` and keep the capabilities; False where this container knows no such user."""
    _prctl(_PR_SET_KEEPCAPS, 1)
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError:
        return False
    return True


def _effective_capabilities() -> int:
    """Bit mask of the capabilities of this process."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return next((int(line.split()[1], 16) for line in file if line.startswith("CapEff:")), 0)


def _set_capabilities(mask: int) -> None:
    """Permitted, effective and inheritable capabilities of this process."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    _checked(_libc.capset(header, struct.pack("=6I", low, low, low, high, high, high)))


def _prctl(option: int, argument: int, third: int = 0, *, check: bool = True) -> None:
    unsigned = ctypes.c_ulong
    result = _libc.prctl(option, unsigned(argument), unsigned(third), unsigned(0), unsigned(0))
    if check:
        _checked(result)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
