"""Virtual networks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Union

from ._channel import channel
from ._durations import Duration, some_seconds

if TYPE_CHECKING:
    from .machine import BaseMachine

    End = Union[BaseMachine, str, None]


class VLan:
    """A virtual network. An end is a machine, its name, or None for all."""

    def __init__(self, nr: int) -> None:
        self.nr = nr

    def __repr__(self) -> str:
        return f"<Vlan Nr. {self.nr}>"

    def cut(self, a: End = None, b: End = None) -> None:
        """Lets nothing pass between two machines, or from and to one, or at all."""
        channel().call("vlan_cut", vlan=self.nr, a=_name(a), b=_name(b))

    def heal(self, a: End = None, b: End = None) -> None:
        """Takes back what `cut`, `delay` and `loss` did."""
        channel().call("vlan_heal", vlan=self.nr, a=_name(a), b=_name(b))

    def delay(self, duration: Duration, a: End = None, b: End = None) -> None:
        """Delivers every frame this much later."""
        channel().call(
            "vlan_delay",
            vlan=self.nr,
            a=_name(a),
            b=_name(b),
            seconds=some_seconds(duration, "duration"),
        )

    def loss(self, fraction: float, a: End = None, b: End = None) -> None:
        """Loses this part of the frames, from 0.0 to 1.0."""
        if not 0.0 <= fraction <= 1.0:
            raise ValueError(f"a loss is between 0.0 and 1.0, not {fraction}")
        channel().call("vlan_loss", vlan=self.nr, a=_name(a), b=_name(b), fraction=fraction)

    def capture(self, path: str | os.PathLike[str]) -> None:
        """Writes all frames from now on into a pcapng file in the output folder."""
        channel().call("vlan_capture", vlan=self.nr, path=os.fspath(path))


def _name(end: End) -> str | None:
    if end is None or isinstance(end, str):
        return end
    return end.name
