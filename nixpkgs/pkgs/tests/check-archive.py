#!/usr/bin/env python3
"""Holds the package table against Debian's archive. For developers; needs nix-instantiate.

    check-archive.py INDEX_DIRECTORY

INDEX_DIRECTORY holds Packages.xz, Contents-amd64.gz and Contents-all.gz of
http://deb.debian.org/debian/dists/trixie/main (binary-amd64/ for the first). Every package of a
row must exist, every link must lead to a file of an installed package, and the main program must
be in bin/. Prints one line for each fault, and fails if there is one.
"""

import gzip
import json
import lzma
import pathlib
import subprocess
import sys
from collections import defaultdict

HERE = pathlib.Path(__file__).parent

# Made by maintainer scripts, so that no package lists them.
MADE_BY_SCRIPTS = {
    "/etc/nginx",
    "/etc/postfix",
    "/etc/ssl/certs/ca-certificates.crt",
}
BIN = ("usr/bin/", "usr/sbin/", "bin/", "sbin/", "usr/games/")


def table() -> dict:
    expression = "(import %s {}).snowglobe.allRows // import %s {}" % (
        HERE.parent.parent / "default.nix", HERE / "families.nix")
    text = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "-E", expression],
        check=True, capture_output=True, text=True,
    ).stdout
    return json.loads(text)


def packages(path: pathlib.Path) -> set[str]:
    with lzma.open(path, "rt") as lines:
        return {line[9:].strip() for line in lines if line.startswith("Package: ")}


def contents(directory: pathlib.Path, wanted: set[str]) -> dict[str, set[str]]:
    files = defaultdict(set)
    for name in ("Contents-amd64.gz", "Contents-all.gz"):
        with gzip.open(directory / name, "rt", errors="replace") as lines:
            for line in lines:
                path, _, owners = line.rstrip("\n").rpartition(" ")
                for owner in owners.split(","):
                    package = owner.rsplit("/", 1)[-1]
                    if package in wanted:
                        files[package].add(path.rstrip())
    return files


def place(path: str) -> str | None:
    """Where a view shows a file of a package, as realise's builders/debian.rs has it."""
    for prefix, to in (
        ("usr/lib/x86_64-linux-gnu/", "lib/"), ("lib/x86_64-linux-gnu/", "lib/"), ("usr/games/", "bin/"),
        ("usr/bin/", "bin/"), ("usr/sbin/", "bin/"), ("bin/", "bin/"), ("sbin/", "bin/"), ("usr/share/", "share/"),
        ("usr/libexec/", "libexec/"), ("usr/include/", "include/"), ("usr/lib/", "lib/"), ("lib/", "lib/"),
        ("etc/", "etc/"),
    ):
        if path.startswith(prefix):
            return to + path[len(prefix):]
    return None


def is_in(target: str, paths: set[str]) -> bool:
    # Layers keep most of /etc aside.
    target = target.replace("/usr/share/snowglobe/etc/", "/etc/")
    relative = target.lstrip("/")
    if relative in paths or target in MADE_BY_SCRIPTS:
        return True
    return any(path.startswith(relative + "/") for path in paths)


def main() -> int:
    directory = pathlib.Path(sys.argv[1])
    rows = table()
    known = packages(directory / "Packages.xz")
    wanted = {p for row in rows.values() for p in row["install"]}
    files = contents(directory, wanted)
    faults = 0

    def fault(attr: str, text: str) -> None:
        nonlocal faults
        faults += 1
        print(f"{attr}: {text}")

    for attr, row in sorted(rows.items()):
        missing = [p for p in row["install"] + row["dev"] if p not in known]
        for package in missing:
            fault(attr, f"trixie has no package '{package}'")
        if missing:
            continue
        everything = set().union(*(files[p] for p in row["install"]))
        shown = set().union(set(), *(files[p] for p in row["files"]))
        for link, target in row["links"].items():
            if not is_in(target, everything):
                fault(attr, f"link {link} leads to {target}, which no installed package has")
        places = {place(path) for path in shown} - {None}
        for link in row["links"]:
            if any(shown_at.startswith(link + "/") for shown_at in places):
                fault(attr, f"link {link} stands where the view has a folder")
        programs = {link[4:] for link in row["links"] if link.startswith("bin/")}
        for path in shown:
            for prefix in BIN:
                if path.startswith(prefix) and "/" not in path[len(prefix):]:
                    programs.add(path[len(prefix):])
        if row["main"] is not None and row["main"] not in programs:
            fault(attr, f"no bin/{row['main']}; there are: {' '.join(sorted(programs))[:300]}")
    print(f"{len(rows)} rows, {faults} faults", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
