# How the machines of a test are numbered, and what networks make of it.
{ config, lib, ... }:
let
  names = lib.attrNames config.nodes;
  numbers = lib.listToAttrs (lib.imap1 (number: name: lib.nameValuePair name number) names);

  hex = number: lib.fixedWidthString 2 "0" (lib.toLower (lib.toHexString number));

  # Lines of /etc/hosts about one machine.
  hostLines = name:
    let
      machine = config.nodes.${name}.networking;
      aliases = lib.optionalString (machine.domain or null != null) "${machine.hostName}.${machine.domain} " + machine.hostName;
    in
    lib.optionalString (machine.hostName != "") (
      lib.optionalString (machine.primaryIPAddress != "") "${machine.primaryIPAddress} ${aliases}\n"
      + lib.optionalString (machine.primaryIPv6Address != "") "${machine.primaryIPv6Address} ${aliases}\n");
  allHostLines = lib.concatMapStrings hostLines names;

  networkModule = { config, options, name, ... }:
    let
      number = config.virtualisation.test.nodeNumber;
      interfaces = lib.mapAttrsToList
        (_: interface: interface // { mac = "52:54:00:12:${hex interface.vlan}:${hex number}"; })
        config.virtualisation.allInterfaces;
      assigned = lib.filter (interface: interface.assignIP) interfaces;
      v4 = interface: "192.168.${toString interface.vlan}.${toString number}";
      v6 = interface: "2001:db8:${toString interface.vlan}::${toString number}";
      first = address: lib.optionalString (assigned != [ ]) (address (lib.head assigned));

      # Interfaces are called eth1, eth2, … by the kernel in this order; others are renamed.
      renamed = lib.filter (entry: entry.interface.name != entry.kernel)
        (lib.imap1 (n: interface: { inherit interface; kernel = "eth${toString n}"; }) interfaces);

      networkConfig = {
        networking = {
          hostName = lib.mkDefault name;
          interfaces = lib.listToAttrs (map
            (interface: lib.nameValuePair interface.name {
              ipv4.addresses = [{ address = v4 interface; prefixLength = 24; }];
              ipv6.addresses = [{ address = v6 interface; prefixLength = 64; }];
            })
            assigned);
          primaryIPAddress = first v4;
          primaryIPv6Address = first v6;
          extraHosts = allHostLines;
        };
      };
    in
    {
      _file = "the test framework's network";
      key = ":test-network";
      options = {
        networking.primaryIPAddress = lib.mkOption {
          type = lib.types.str;
          default = "";
          internal = true;
          description = "The machine's address on its first virtual network.";
        };
        networking.primaryIPv6Address = lib.mkOption {
          type = lib.types.str;
          default = "";
          internal = true;
          description = "The machine's IPv6 address on its first virtual network.";
        };
        virtualisation.test.nodeNumber = lib.mkOption {
          type = lib.types.int;
          internal = true;
          readOnly = true;
          default = numbers.${config.virtualisation.test.nodeName};
          description = "The machine's number in its test, from 1, by the alphabet.";
        };
      };
      config = lib.mkMerge [
        networkConfig
        {
          system.build.networkConfig = networkConfig.networking;
          snowglobe.interfaces = map (interface: { inherit (interface) name vlan mac; }) interfaces;
          # A machine's addresses have one byte for its number and one for the network's.
          assertions = [{
            assertion = lib.all (interface: interface.vlan <= 255) interfaces && number <= 254;
            message = "Can't have more than 255 nets or nodes!";
          }];
          snowglobe.devices = lib.mkIf (renamed != [ ]) [ "net" ];
          services.udev.extraRules = lib.mkIf (renamed != [ ]) (lib.concatMapStrings
            (entry: ''
              SUBSYSTEM=="net",ACTION=="add",ATTR{address}=="${entry.interface.mac}",NAME="${entry.interface.name}"
            '')
            renamed);
        }
      ];
    };
in
{
  config.extraBaseModules = networkModule;
}
