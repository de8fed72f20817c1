"""Whether the locked packages have wheels for this Python on this machine: prints why not, and then ends with status 1.

Any Python must be able to read it, back to 2.7. Last looked up for the locks of version 0.2.
"""

import platform
import struct
import sys
import sysconfig

OLDEST, NEWEST = (3, 11), (3, 13)
NEEDED = "Python 3.11, 3.12 or 3.13 is needed: name one with 'make setup PYTHON=python3.12'"
MACHINES = {"Linux": ("x86_64", "aarch64"), "Darwin": ("arm64",)}
WORKS = "use Linux on x86_64 or aarch64 with glibc 2.28 or newer, or macOS 14 or newer on Apple silicon"


def reason():
    version = "%d.%d.%d" % sys.version_info[:3]
    if sys.version_info[:2] < OLDEST:
        return "Python %s is too old, %s" % (version, NEEDED)
    if sys.version_info[:2] > NEWEST:
        return "Python %s is too new (the locked package immutables has no wheel for it), %s" % (version, NEEDED)
    kind = platform.python_implementation()
    if kind != "CPython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        kind = "free-threaded Python" if kind == "CPython" else kind
        return "%s has no wheels of the locked packages, the usual %s" % (kind, NEEDED)
    system, machine = platform.system(), platform.machine()
    where = None
    if (system, machine) == ("Darwin", "x86_64"):
        where = "an Intel Mac"
    elif machine not in MACHINES.get(system, ()):
        where = "%s on %s" % (system, machine)
    elif struct.calcsize("P") != 8:
        where = "a 32-bit Python"
    elif system == "Linux" and newer((2, 28), libc()):
        where = "Linux with glibc " + ".".join(map(str, libc())) if libc() else "Linux without glibc"
    elif system == "Darwin" and newer((14,), numbers(platform.mac_ver()[0])):
        where = "macOS " + platform.mac_ver()[0]
    return where and "%s has no wheels of locked packages, torch for one: %s" % (where, WORKS)


def libc():
    name, version = platform.libc_ver()
    return numbers(version) if name == "glibc" else ()


def numbers(version):
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def newer(needed, found):
    """Whether what is needed is newer than what was found."""
    return needed > found[: len(needed)]


if __name__ == "__main__":
    why = reason()
    if why:
        print(why)
        sys.exit(1)
