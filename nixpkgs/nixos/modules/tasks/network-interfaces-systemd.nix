# The back end of `networking.*` that uses systemd-networkd.
{ config, lib, pkgs, ... }:
{
}
