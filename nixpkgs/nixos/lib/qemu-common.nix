# What tests and configurations may ask about the cards of machines: their addresses follow from
# numbers, so that a DHCP server can know them beforehand.
{ lib, pkgs }:
let
  # Two hexadecimal digits, in lower case.
  octet = number: lib.fixedWidthString 2 "0" (lib.toLower (lib.toHexString number));
  absent = name: reason: throw "qemu-common.${name} is not supported: ${reason}";
in
{
  # The card of machine `machine` on VLAN `net`.
  qemuNicMac = net: machine: "52:54:00:12:${octet net}:${octet machine}";

  qemuSerialDevice = "ttyS0";

  qemuNICFlags = _: _: _: absent "qemuNICFlags" "machines are started by Snowglobe, not by command lines; use virtualisation.vlans or virtualisation.interfaces";
  qemuBinary = _: absent "qemuBinary" "machines run in the driver's own QEMU";
}
