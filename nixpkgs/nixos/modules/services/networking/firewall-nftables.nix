# `networking.nftables` and the firewall in nftables.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.networking.nftables;
  firewall = config.networking.firewall;
  nft = "${pkgs.nftables}/bin/nft";

  table = { name, ... }: {
    options = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = "Whether the table exists.";
      };
      name = mkOption {
        type = types.str;
        default = name;
        description = "Name of the table.";
      };
      content = mkOption {
        type = types.lines;
        description = "What stands in the table.";
      };
      family = mkOption {
        type = types.enum [ "ip" "ip6" "inet" "arp" "bridge" "netdev" ];
        description = "Family of the table.";
      };
    };
  };

  tables = lib.filter (table: table.enable) (lib.attrValues cfg.tables);
  reset = table: "table ${table.family} ${table.name}\ndelete table ${table.family} ${table.name}\n";

  ruleset = pkgs.writeText "nftables-rules" (
    lib.optionalString cfg.flushRuleset "flush ruleset\n"
    + cfg.extraDeletions
    + lib.optionalString (cfg.rulesetFile != null) (
      if cfg.flattenRulesetFile then builtins.readFile cfg.rulesetFile + "\n" else "include \"${toString cfg.rulesetFile}\"\n"
    )
    + cfg.ruleset
    + lib.concatMapStrings (table: "${lib.optionalString (!cfg.flushRuleset) (reset table)}table ${table.family} ${table.name} {\n${table.content}\n}\n") tables
  );

  deletions = pkgs.writeText "nftables-deletions" (
    if cfg.flushRuleset then "flush ruleset\n" else cfg.extraDeletions + lib.concatMapStrings reset tables
  );

  list = items: "{ ${lib.concatStringsSep ", " items} }";
  on = interface: lib.optionalString (interface != "default") "iifname ${interface} ";
  rangeText = range: "${toString range.from}-${toString range.to}";

  # nft refuses sets whose intervals overlap.
  disjoint = ranges:
    lib.foldl (
      merged: range:
      let
        last = lib.last merged;
      in
      if merged != [ ] && range.from <= last.to + 1 then
        lib.init merged ++ [ { inherit (last) from; to = lib.max last.to range.to; } ]
      else
        merged ++ [ range ]
    ) [ ] (lib.sort (a: b: a.from < b.from) ranges);

  openPorts = protocol: interface: open:
    let
      upper = lib.toUpper protocol;
      single = map (port: { from = port; to = port; }) open."allowed${upper}Ports";
      all = map (range: if range.from == range.to then toString range.from else rangeText range) (
        disjoint (single ++ open."allowed${upper}PortRanges")
      );
    in
    lib.optionalString (all != [ ]) "${on interface}${protocol} dport ${list all} accept\n";

  level = message: ''log level info prefix "${message}: "'';
in
{
  options.networking.nftables = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = "Whether nftables' rules are loaded, and the firewall is made of them.";
    };
    checkRuleset = mkOption {
      type = types.bool;
      default = true;
      description = "Whether rules are checked before they are loaded: here by nft itself, when it loads them in one transaction.";
    };
    checkRulesetRedirects = mkOption {
      type = types.attrsOf types.path;
      default = { };
      internal = true;
      description = "Harmless: rules are checked when they are loaded.";
    };
    preCheckRuleset = mkOption {
      type = types.lines;
      default = "";
      internal = true;
      description = "Harmless: rules are checked when they are loaded.";
    };
    flushRuleset = mkOption {
      type = types.bool;
      default = cfg.ruleset != "" || cfg.rulesetFile != null;
      defaultText = "whether there is a whole rule set";
      description = "Whether all rules of other programs go when these are loaded.";
    };
    extraDeletions = mkOption {
      type = types.lines;
      default = "";
      description = "Rules that remove what is loaded here.";
    };
    ruleset = mkOption {
      type = types.lines;
      default = "";
      description = "Rules in nftables' language.";
    };
    rulesetFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      description = "File of rules in nftables' language.";
    };
    flattenRulesetFile = mkOption {
      type = types.bool;
      default = false;
      description = "Whether `rulesetFile` is copied into the rule set.";
    };
    tables = mkOption {
      type = types.attrsOf (types.submodule table);
      default = { };
      description = "Tables.";
    };
  };

  config = lib.mkMerge [
    (lib.mkIf cfg.enable {
      environment.systemPackages = [ pkgs.nftables ];
      networking.nftables.checkRuleset = lib.mkDefault true;
      boot.kernelModules = [ "nf_tables" "nft_ct" "nft_fib_inet" "nft_log" "nft_reject_inet" "nf_conntrack" ];
      systemd.services.nftables = {
        description = "nftables firewall";
        after = [ "systemd-modules-load.service" ];
        before = [ "network-pre.target" "shutdown.target" ];
        conflicts = [ "shutdown.target" ];
        wants = [ "network-pre.target" ];
        wantedBy = [ "sysinit.target" ];
        reloadIfChanged = true;
        unitConfig.DefaultDependencies = false;
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${nft} -f ${ruleset}";
          ExecReload = "${nft} -f ${ruleset}";
          ExecStop = "${nft} -f ${deletions}";
        };
      };
    })
    (lib.mkIf (firewall.enable && firewall.backend == "nftables") {
      assertions = [
        {
          assertion = firewall.extraCommands == "" && firewall.extraStopCommands == "";
          message = "networking.firewall.extraCommands cannot be used with nftables: use extraInputRules.";
        }
        {
          assertion = firewall.pingLimit == null || !(lib.hasPrefix "--" firewall.pingLimit);
          message = "networking.firewall.pingLimit must be in nftables' language, such as \"2/second\".";
        }
      ];

      networking.nftables.tables.nixos-fw = {
        family = "inet";
        content = ''
          ${lib.optionalString (firewall.checkReversePath != false) ''
            chain rpfilter {
              type filter hook prerouting priority mangle + 10; policy drop;
              meta nfproto ipv4 udp sport . udp dport { 67 . 68, 68 . 67 } accept comment "DHCPv4"
              fib saddr . mark ${lib.optionalString (firewall.checkReversePath != "loose") ". iif "}oif exists accept
              jump rpfilter-allow
              ${lib.optionalString firewall.logReversePathDrops (level "rpfilter drop")}
            }
            chain rpfilter-allow {
              ${firewall.extraReversePathFilterRules}
            }
          ''}
          chain input {
            type filter hook input priority filter; policy drop;
            ${lib.optionalString (firewall.trustedInterfaces != [ ]) "iifname ${list firewall.trustedInterfaces} accept"}
            iifname lo accept
            ct state vmap {
              invalid : drop,
              established : accept,
              related : accept,
              new : jump input-allow,
              untracked: jump input-allow,
            }
            ${lib.optionalString firewall.logRefusedConnections "tcp flags syn / fin,syn,rst,ack ${level "refused connection"}"}
            ${lib.optionalString (firewall.logRefusedPackets && !firewall.logRefusedUnicastsOnly) ''
              pkttype broadcast ${level "refused broadcast"}
              pkttype multicast ${level "refused multicast"}
            ''}
            ${lib.optionalString firewall.logRefusedPackets "pkttype host ${level "refused packet"}"}
            ${lib.optionalString firewall.rejectPackets ''
              meta l4proto tcp reject with tcp reset
              reject
            ''}
          }
          set temp-ports {
            comment "Ports that nixos-firewall-tool opened"
            type inet_proto . inet_service
            flags interval
            auto-merge
          }
          chain input-allow {
            meta l4proto . th dport @temp-ports accept
            ${lib.concatStrings (lib.mapAttrsToList (openPorts "tcp") firewall.allInterfaces)}
            ${lib.concatStrings (lib.mapAttrsToList (openPorts "udp") firewall.allInterfaces)}
            ${lib.optionalString firewall.allowPing "icmp type echo-request ${
              lib.optionalString (firewall.pingLimit != null) "limit rate ${firewall.pingLimit} "
            }accept"}
            icmpv6 type != { nd-redirect, 139 } accept
            ip6 daddr fe80::/64 udp dport 546 accept
            ${firewall.extraInputRules}
          }
          ${lib.optionalString firewall.filterForward ''
            chain forward {
              type filter hook forward priority filter; policy drop;
              ct state vmap {
                invalid : drop,
                established : accept,
                related : accept,
                new : jump forward-allow,
                untracked : jump forward-allow,
              }
            }
            chain forward-allow {
              icmpv6 type != { router-renumbering, 139 } accept
              ct status dnat accept comment "forwarded ports"
              ${firewall.extraForwardRules}
            }
          ''}
        '';
      };
    })
  ];
}
