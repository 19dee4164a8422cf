# The firewall in iptables. The rules of a family are loaded in one transaction: forty calls of
# iptables take four seconds under emulation, one of iptables-restore takes a tenth.
{ config, lib, pkgs, ... }:
let
  cfg = config.networking.firewall;
  ipv6 = config.networking.enableIPv6;
  iptables = pkgs.iptables;

  enabled = cfg.enable && cfg.backend == "iptables";
  loose = cfg.checkReversePath == "loose";
  families = [ "v4" ] ++ lib.optional ipv6 "v6";

  on = interface: lib.optionalString (interface != "default") " -i ${interface}";
  rangeText = range: "${toString range.from}:${toString range.to}";

  accepts =
    protocol: kind: interface: open:
    map (port: "-A nixos-fw -p ${protocol} --dport ${toString port} -j nixos-fw-accept${on interface}") open.${kind}
    ++ map (range: "-A nixos-fw -p ${protocol} --dport ${rangeText range} -j nixos-fw-accept${on interface}") open."allowed${lib.toUpper protocol}PortRanges";

  openPorts =
    lib.concatLists (lib.mapAttrsToList (accepts "tcp" "allowedTCPPorts") cfg.allInterfaces)
    ++ lib.concatLists (lib.mapAttrsToList (accepts "udp" "allowedUDPPorts") cfg.allInterfaces);

  filter =
    family:
    [
      "-A nixos-fw-accept -j ACCEPT"
    ]
    # Refusing: dropped, or answered, connections otherwise than single packets.
    ++ (
      if cfg.rejectPackets then
        [
          "-A nixos-fw-refuse -p tcp ! --syn -j REJECT --reject-with tcp-reset"
          "-A nixos-fw-refuse -j REJECT"
        ]
      else
        [ "-A nixos-fw-refuse -j DROP" ]
    )
    ++ lib.optional cfg.logRefusedConnections "-A nixos-fw-log-refuse -p tcp --syn -j LOG --log-level info --log-prefix \"refused connection: \""
    ++ lib.optionals (cfg.logRefusedPackets && !cfg.logRefusedUnicastsOnly) [
      "-A nixos-fw-log-refuse -m pkttype --pkt-type broadcast -j LOG --log-level info --log-prefix \"refused broadcast: \""
      "-A nixos-fw-log-refuse -m pkttype --pkt-type multicast -j LOG --log-level info --log-prefix \"refused multicast: \""
    ]
    ++ [ "-A nixos-fw-log-refuse -m pkttype ! --pkt-type unicast -j nixos-fw-refuse" ]
    ++ lib.optional cfg.logRefusedPackets "-A nixos-fw-log-refuse -j LOG --log-level info --log-prefix \"refused packet: \""
    ++ [ "-A nixos-fw-log-refuse -j nixos-fw-refuse" ]
    # What comes in.
    ++ map (interface: "-A nixos-fw -i ${interface} -j nixos-fw-accept") cfg.trustedInterfaces
    ++ [
      "-A nixos-fw -i lo -j nixos-fw-accept"
      "-A nixos-fw -m conntrack --ctstate ESTABLISHED,RELATED -j nixos-fw-accept"
    ]
    ++ openPorts
    ++ lib.optional (family == "v4" && cfg.allowPing) "-A nixos-fw -p icmp --icmp-type echo-request${
      lib.optionalString (cfg.pingLimit != null) " -m limit ${cfg.pingLimit}"
    } -j nixos-fw-accept"
    ++ lib.optionals (family == "v6") [
      # All of ICMPv6 but redirects and node information queries: IPv6 does not work without it.
      "-A nixos-fw -p icmpv6 --icmpv6-type redirect -j DROP"
      "-A nixos-fw -p icmpv6 --icmpv6-type 139 -j DROP"
      "-A nixos-fw -p icmpv6 -j nixos-fw-accept"
      # DHCPv6 clients.
      "-A nixos-fw -d fe80::/64 -p udp --dport 546 -j nixos-fw-accept"
    ];

  final = [
    "-A nixos-fw -j nixos-fw-log-refuse"
  ];

  chains = [ "nixos-fw" "nixos-fw-accept" "nixos-fw-refuse" "nixos-fw-log-refuse" ];

  reversePath =
    family:
    lib.optional (cfg.checkReversePath != false) "-A nixos-fw-rpfilter -m rpfilter --validmark${lib.optionalString loose " --loose"} -j RETURN"
    ++ lib.optionals (cfg.checkReversePath != false) (
      lib.optionals (family == "v4") [
        # DHCP: answers to a client without an address, and questions of one.
        "-A nixos-fw-rpfilter -p udp --sport 67 --dport 68 -j RETURN"
        "-A nixos-fw-rpfilter -s 0.0.0.0 -d 255.255.255.255 -p udp --sport 68 --dport 67 -j RETURN"
      ]
      ++ lib.optional cfg.logReversePathDrops "-A nixos-fw-rpfilter -j LOG --log-level info --log-prefix \"rpfilter drop: \""
      ++ [ "-A nixos-fw-rpfilter -j DROP" ]
    );

  # Extra commands refer to chains of ours and add to them before the last rule, which is therefore
  # added after them.
  split = cfg.extraCommands != "";

  rules =
    family:
    pkgs.writeText "firewall-${family}" (
      lib.concatLines (
        [ "*mangle" ]
        ++ lib.optionals (cfg.checkReversePath != false) [ ":nixos-fw-rpfilter - [0:0]" "-A PREROUTING -j nixos-fw-rpfilter" ]
        ++ reversePath family
        ++ [ "COMMIT" "*filter" ]
        ++ map (chain: ":${chain} - [0:0]") chains
        ++ [ "-A INPUT -j nixos-fw" ]
        ++ filter family
        ++ lib.optionals (!split) final
        ++ [ "COMMIT" ]
      )
    );

  # The jump goes last in INPUT only while the firewall runs; starting twice must not double it.
  command = { v4 = "iptables"; v6 = "ip6tables"; };

  helpers = ''
    # Both families, as NixOS's firewall scripts have it.
    ip46tables() {
      iptables -w "$@"
      ${lib.optionalString ipv6 ''ip6tables -w "$@"''}
    }
  '';

  clean = lib.concatMapStrings (
    family:
    let
      run = "${command.${family}} -w";
    in
    ''
      ${run} -D INPUT -j nixos-fw 2>/dev/null || true
      ${run} -t mangle -D PREROUTING -j nixos-fw-rpfilter 2>/dev/null || true
      for chain in ${toString chains}; do ${run} -F $chain 2>/dev/null || true; done
      for chain in ${toString chains}; do ${run} -X $chain 2>/dev/null || true; done
      ${run} -t mangle -F nixos-fw-rpfilter 2>/dev/null || true
      ${run} -t mangle -X nixos-fw-rpfilter 2>/dev/null || true
    ''
  ) families;

  load = lib.concatMapStrings (
    family: "${iptables}/bin/${command.${family}}-restore -w --noflush ${rules family}\n"
  ) families;

  startScript = pkgs.writeShellScript "firewall-start" ''
    set -e
    ${helpers}
    # A firewall that is started again begins afresh.
    if [ -e /run/firewall-loaded ]; then
      ${clean}
    fi
    ${load}
    : > /run/firewall-loaded
    ${cfg.extraCommands}
    ${lib.optionalString split (lib.concatMapStrings (family: "${command.${family}} -w ${lib.head final}\n") families)}
  '';

  stopScript = pkgs.writeShellScript "firewall-stop" ''
    ${helpers}
    ${clean}
    rm -f /run/firewall-loaded
    ${cfg.extraStopCommands}
  '';

  reloadScript = pkgs.writeShellScript "firewall-reload" ''
    set -e
    ${helpers}
    ${cfg.extraStopCommands}
    ${clean}
    ${load}
    ${cfg.extraCommands}
    ${lib.optionalString split (lib.concatMapStrings (family: "${command.${family}} -w ${lib.head final}\n") families)}
  '';

  # Without commands of the user's, no shell is needed to start.
  plainStart = map (family: "${iptables}/bin/${command.${family}}-restore -w --noflush ${rules family}") families;
in
{
  config = lib.mkIf enabled {
    environment.systemPackages = [ iptables ] ++ cfg.extraPackages;

    systemd.services.firewall = {
      description = "Firewall";
      wantedBy = [ "sysinit.target" ];
      wants = [ "network-pre.target" ];
      after = [ "systemd-modules-load.service" ];
      before = [ "network-pre.target" "shutdown.target" ];
      conflicts = [ "shutdown.target" ];
      path = [ iptables ] ++ cfg.extraPackages;
      unitConfig = {
        ConditionCapability = "CAP_NET_ADMIN";
        DefaultDependencies = false;
      };
      reloadIfChanged = true;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = if split then "@${startScript} firewall-start" else plainStart;
        ExecReload = "@${reloadScript} firewall-reload";
        ExecStop = "@${stopScript} firewall-stop";
      };
    };

    # What the rules use; the kernel would start a program to load each.
    boot.kernelModules = [
      "nf_tables" "nft_compat" "nf_conntrack" "xt_conntrack" "xt_tcpudp" "xt_pkttype" "xt_LOG" "nf_log_syslog"
    ]
    ++ lib.optionals (cfg.checkReversePath != false) [ "ipt_rpfilter" "ip6t_rpfilter" ]
    ++ lib.optionals cfg.rejectPackets [ "ipt_REJECT" "ip6t_REJECT" ];
  };
}
