# `networking.firewall`: what other machines may reach.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.networking.firewall;

  range = types.submodule {
    options = {
      from = mkOption { type = types.port; description = "First port."; };
      to = mkOption { type = types.port; description = "Last port."; };
    };
  };

  ports = {
    allowedTCPPorts = mkOption {
      type = types.listOf types.port;
      default = [ ];
      apply = list: lib.unique (lib.sort builtins.lessThan list);
      description = "TCP ports that are open.";
    };
    allowedTCPPortRanges = mkOption {
      type = types.listOf range;
      default = [ ];
      description = "Ranges of TCP ports that are open.";
    };
    allowedUDPPorts = mkOption {
      type = types.listOf types.port;
      default = [ ];
      apply = list: lib.unique (lib.sort builtins.lessThan list);
      description = "UDP ports that are open.";
    };
    allowedUDPPortRanges = mkOption {
      type = types.listOf range;
      default = [ ];
      description = "Ranges of UDP ports that are open.";
    };
  };

  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };

  # Opens ports until the firewall is loaded again.
  tool = pkgs.writeShellScriptBin "nixos-firewall-tool" (
    ''
      set -eu
      usage() {
        echo "usage: nixos-firewall-tool open tcp|udp PORT | show | reset" >&2
        exit 1
      }
      case "''${1-}" in
        open)
          [ $# = 3 ] || usage
          case "$2" in tcp | udp) ;; *) usage ;; esac
    ''
    + (
      if cfg.backend == "nftables" then
        ''
          nft add element inet nixos-fw temp-ports "{ $2 . $3 }"
        ''
      else
        ''
          iptables -w -I nixos-fw -p "$2" --dport "$3" -j nixos-fw-accept
          ${lib.optionalString config.networking.enableIPv6 ''ip6tables -w -I nixos-fw -p "$2" --dport "$3" -j nixos-fw-accept''}
        ''
    )
    + ''
          ;;
        show) ${if cfg.backend == "nftables" then "nft list table inet nixos-fw" else "iptables -w -S nixos-fw"} ;;
        reset) ${if cfg.backend == "nftables" then "nft flush set inet nixos-fw temp-ports" else "systemctl reload firewall.service"} ;;
        *) usage ;;
      esac
    ''
  );

  lines = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };
in
{
  imports = [
    ./firewall-iptables.nix
    ./firewall-nftables.nix
    ./firewalld.nix
  ];

  options.networking.firewall = ports // {
    enable = flag true "Whether the firewall is on.";
    backend = mkOption {
      type = types.enum [ "iptables" "nftables" "firewalld" ];
      default = if config.networking.nftables.enable then "nftables" else "iptables";
      defaultText = "by networking.nftables.enable";
      description = "What the firewall is made of.";
    };
    package = mkOption {
      type = types.package;
      default = { nftables = pkgs.nftables; iptables = pkgs.iptables; firewalld = pkgs.firewalld; }.${cfg.backend};
      description = "The package of the back end.";
    };
    logRefusedConnections = flag true "Whether refused connections are logged.";
    logRefusedPackets = flag false "Whether every refused packet is logged.";
    logRefusedUnicastsOnly = flag true "Whether broadcasts and multicasts are left out of that.";
    rejectPackets = flag false "Whether refused packets are answered rather than dropped.";
    trustedInterfaces = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Interfaces over which everything is allowed.";
    };
    allowPing = flag true "Whether the machine answers pings.";
    pingLimit = mkOption {
      type = types.nullOr (types.separatedString " ");
      default = null;
      example = "--limit 1/minute --limit-burst 5";
      description = "Limit of answers to pings.";
    };
    checkReversePath = mkOption {
      type = types.either types.bool (types.enum [ "strict" "loose" ]);
      default = true;
      description = "Whether packets are dropped that answers would not go back the same way for.";
    };
    logReversePathDrops = flag false "Whether those packets are logged.";
    filterForward = flag false "Whether packets that are passed on are filtered (nftables only).";
    connectionTrackingModules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Helpers of connection tracking.";
    };
    autoLoadConntrackHelpers = flag false "Whether helpers are attached to connections by themselves.";
    extraCommands = lines "Shell commands after the rules were loaded (iptables).";
    extraStopCommands = lines "Shell commands when the firewall stops (iptables).";
    extraPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages whose commands `extraCommands` uses.";
    };
    extraInputRules = lines "Rules in nftables' language for packets to the machine.";
    extraForwardRules = lines "Rules in nftables' language for packets that are passed on.";
    extraReversePathFilterRules = lines "Rules in nftables' language before the reverse path is checked.";
    interfaces = mkOption {
      type = types.attrsOf (types.submodule { options = ports; });
      default = { };
      description = "Ports that are open on one interface.";
    };
    allInterfaces = mkOption {
      type = types.raw;
      internal = true;
      default = { default = lib.mapAttrs (name: _: cfg.${name}) ports; } // cfg.interfaces;
      description = "Open ports by interface; `default` stands for all.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.filterForward -> cfg.backend == "nftables";
        message = "networking.firewall.filterForward needs networking.nftables.enable.";
      }
      {
        assertion = cfg.backend == "nftables" -> config.networking.nftables.enable;
        message = "networking.firewall.backend = \"nftables\" needs networking.nftables.enable.";
      }
    ];

    snowglobe.refused = lib.optionalAttrs cfg.autoLoadConntrackHelpers {
      "networking.firewall.autoLoadConntrackHelpers" = "kernels since 6.0 cannot do it";
    };

    boot.kernelModules = map (name: "nf_conntrack_${name}") cfg.connectionTrackingModules;
    environment.systemPackages = lib.optional (cfg.backend != "firewalld") tool;

  };
}
