# Network cards of a machine: `virtualisation.vlans` and `virtualisation.interfaces`.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.virtualisation;

  interface = types.submodule ({ name, ... }: {
    options = {
      name = mkOption {
        type = types.str;
        default = name;
        description = "Name of the interface in the machine.";
      };
      vlan = mkOption {
        type = types.ints.unsigned;
        description = "Number of the virtual network.";
      };
      assignIP = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the test framework gives the interface its addresses.";
      };
    };
  });

  fromVlans = lib.listToAttrs (lib.imap1
    (n: vlan: lib.nameValuePair "eth${toString n}" { name = "eth${toString n}"; inherit vlan; assignIP = true; })
    cfg.vlans);
in
{
  options.virtualisation = {
    vlans = mkOption {
      type = types.listOf types.ints.unsigned;
      default = if cfg.interfaces == { } then [ 1 ] else [ ];
      defaultText = lib.literalExpression "if config.virtualisation.interfaces == { } then [ 1 ] else [ ]";
      example = [ 1 2 ];
      description = "Virtual networks that the machine is connected to by eth1, eth2, …, with addresses 192.168.‹network›.‹machine›.";
    };
    interfaces = mkOption {
      type = types.attrsOf interface;
      default = { };
      example = { enp1s0.vlan = 1; };
      description = "Network cards with names of their own.";
    };
    allInterfaces = mkOption {
      type = types.raw;
      readOnly = true;
      default =
        let
          common = lib.attrNames (builtins.intersectAttrs fromVlans cfg.interfaces);
        in
        if common != [ ]
        then throw "virtualisation.interfaces.${lib.head common} has the name of an interface that `virtualisation.vlans' makes."
        else fromVlans // cfg.interfaces;
      defaultText = lib.literalExpression "vlans and interfaces";
      description = "All network cards on virtual networks.";
    };
  };
}
