# `networking.nat`: other machines reach the world with this one's address.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.networking.nat;
  useNft = config.networking.nftables.enable;

  address = types.nullOr types.str;
  forward = types.submodule {
    options = {
      sourcePort = mkOption { type = types.either types.int (types.strMatching "[0-9]+:[0-9]+"); description = "Port, or range `from:to`, of this machine."; };
      destination = mkOption { type = types.str; description = "Address and port that it leads to."; };
      proto = mkOption { type = types.str; default = "tcp"; description = "Protocol."; };
      loopbackIPs = mkOption { type = types.listOf types.str; default = [ ]; description = "Addresses of this machine that lead there from inside as well."; };
    };
  };

  isV6 = ip: lib.hasInfix ":" ip && (lib.hasPrefix "[" ip || lib.length (lib.splitString ":" ip) > 2);
  output = lib.optionalString (cfg.externalInterface != null) " -o ${cfg.externalInterface}";
  input = lib.optionalString (cfg.externalInterface != null) " -i ${cfg.externalInterface}";
  masquerade = external: if external == null then "-j MASQUERADE" else "-j SNAT --to-source ${external}";

  rules =
    { command, internal, external, forwards }:
    ''
      # Of a run before.
      ${command} -w -t nat -D PREROUTING -j nixos-nat-pre 2>/dev/null || true
      ${command} -w -t nat -D POSTROUTING -j nixos-nat-post 2>/dev/null || true
      ${command} -w -t nat -D OUTPUT -j nixos-nat-out 2>/dev/null || true
      for chain in nixos-nat-pre nixos-nat-post nixos-nat-out; do
        ${command} -w -t nat -F $chain 2>/dev/null || true
        ${command} -w -t nat -X $chain 2>/dev/null || true
      done
      ${command}-restore -w --noflush <<'RULES'
      *nat
      :nixos-nat-pre - [0:0]
      :nixos-nat-post - [0:0]
      :nixos-nat-out - [0:0]
      ${lib.concatMapStrings (interface: "-A nixos-nat-pre -i ${interface} -j MARK --set-mark 1\n") cfg.internalInterfaces}
      ${lib.optionalString (cfg.internalInterfaces != [ ]) "-A nixos-nat-post -m mark --mark 1${output} ${masquerade external}"}
      ${lib.concatMapStrings (range: "-A nixos-nat-post -s ${range}${output} ${masquerade external}\n") internal}
      ${lib.concatMapStrings (
        fwd:
        let
          port = toString fwd.sourcePort;
          # `--to-destination` wants a range with a dash.
          destination = fwd.destination;
        in
        "-A nixos-nat-pre${input} -p ${fwd.proto} --dport ${port} -j DNAT --to-destination ${destination}\n"
        + lib.concatMapStrings (
          ip:
          "-A nixos-nat-pre -d ${ip} -p ${fwd.proto} --dport ${port} -j DNAT --to-destination ${destination}\n"
          + "-A nixos-nat-out -d ${ip} -p ${fwd.proto} --dport ${port} -j DNAT --to-destination ${destination}\n"
        ) fwd.loopbackIPs
      ) forwards}
      ${lib.optionalString (cfg.dmzHost != null && command == "iptables") "-A nixos-nat-pre${input} -j DNAT --to-destination ${cfg.dmzHost}"}
      -A PREROUTING -j nixos-nat-pre
      -A POSTROUTING -j nixos-nat-post
      -A OUTPUT -j nixos-nat-out
      COMMIT
      RULES
    '';

  setup = pkgs.writeShellScript "nat-start" (
    ''
      set -e
      PATH=${lib.makeBinPath [ pkgs.iptables pkgs.coreutils ]}:/usr/sbin:/usr/bin
    ''
    + rules { command = "iptables"; internal = cfg.internalIPs; external = cfg.externalIP; forwards = lib.filter (fwd: !(isV6 fwd.destination)) cfg.forwardPorts; }
    + lib.optionalString cfg.enableIPv6 (
      rules { command = "ip6tables"; internal = cfg.internalIPv6s; external = cfg.externalIPv6; forwards = lib.filter (fwd: isV6 fwd.destination) cfg.forwardPorts; }
    )
    + cfg.extraCommands
  );

  stop = pkgs.writeShellScript "nat-stop" (
    ''
      PATH=${lib.makeBinPath [ pkgs.iptables pkgs.coreutils ]}:/usr/sbin:/usr/bin
      ${cfg.extraStopCommands}
    ''
    + lib.concatMapStrings (command: ''
      ${command} -w -t nat -D PREROUTING -j nixos-nat-pre 2>/dev/null || true
      ${command} -w -t nat -D POSTROUTING -j nixos-nat-post 2>/dev/null || true
      ${command} -w -t nat -D OUTPUT -j nixos-nat-out 2>/dev/null || true
      for chain in nixos-nat-pre nixos-nat-post nixos-nat-out; do
        ${command} -w -t nat -F $chain 2>/dev/null || true
        ${command} -w -t nat -X $chain 2>/dev/null || true
      done
    '') ([ "iptables" ] ++ lib.optional cfg.enableIPv6 "ip6tables")
  );

  # In nftables' language.
  set = items: "{ ${lib.concatStringsSep ", " items} }";
  oif = lib.optionalString (cfg.externalInterface != null) "oifname \"${cfg.externalInterface}\" ";
  iif = lib.optionalString (cfg.externalInterface != null) "iifname \"${cfg.externalInterface}\" ";
  table = family: { internal, external, forwards }:
    let
      snat = if external == null then "masquerade" else "snat ${external}";
      port = fwd: lib.replaceStrings [ ":" ] [ "-" ] (toString fwd.sourcePort);
    in
    ''
      chain pre {
        type nat hook prerouting priority dstnat;
        ${lib.concatMapStrings (fwd: "${iif}${fwd.proto} dport ${port fwd} dnat to ${fwd.destination}\n") forwards}
        ${lib.concatMapStrings (fwd: lib.concatMapStrings (ip: "${family} daddr ${ip} ${fwd.proto} dport ${port fwd} dnat to ${fwd.destination}\n") fwd.loopbackIPs) forwards}
        ${lib.optionalString (cfg.dmzHost != null && family == "ip") "${iif}dnat to ${cfg.dmzHost}"}
      }
      chain post {
        type nat hook postrouting priority srcnat;
        ${lib.optionalString (cfg.internalInterfaces != [ ]) "${oif}iifname ${set (map (name: "\"${name}\"") cfg.internalInterfaces)} ${snat} comment \"from internal interfaces\""}
        ${lib.optionalString (internal != [ ]) "${oif}${family} saddr ${set internal} ${snat} comment \"from internal addresses\""}
      }
      chain out {
        type nat hook output priority mangle;
        ${lib.concatMapStrings (fwd: lib.concatMapStrings (ip: "${family} daddr ${ip} ${fwd.proto} dport ${port fwd} dnat to ${fwd.destination}\n") fwd.loopbackIPs) forwards}
      }
    '';
in
{
  options.networking.nat = {
    enable = mkOption { type = types.bool; default = false; description = "Whether addresses are translated."; };
    enableIPv6 = mkOption { type = types.bool; default = false; description = "Whether addresses of IPv6 are translated as well."; };
    internalInterfaces = mkOption { type = types.listOf types.str; default = [ ]; description = "Interfaces of the machines behind this one."; };
    internalIPs = mkOption { type = types.listOf types.str; default = [ ]; description = "Networks of the machines behind this one."; };
    internalIPv6s = mkOption { type = types.listOf types.str; default = [ ]; description = "IPv6 networks of the machines behind this one."; };
    externalInterface = mkOption { type = types.nullOr types.str; default = null; description = "Interface to the world."; };
    externalIP = mkOption { type = address; default = null; description = "Address that is shown; null: the interface's."; };
    externalIPv6 = mkOption { type = address; default = null; description = "IPv6 address that is shown; null: the interface's."; };
    forwardPorts = mkOption { type = types.listOf forward; default = [ ]; description = "Ports of this machine that lead to machines behind it."; };
    dmzHost = mkOption { type = address; default = null; description = "Machine that everything else from the world leads to."; };
    extraCommands = mkOption { type = types.lines; default = ""; description = "Shell commands after the rules were loaded (iptables)."; };
    extraStopCommands = mkOption { type = types.lines; default = ""; description = "Shell commands when translation stops (iptables)."; };
  };

  config = lib.mkIf cfg.enable (lib.mkMerge [
    {
      assertions = [
        { assertion = cfg.enableIPv6 -> config.networking.enableIPv6; message = "networking.nat.enableIPv6 needs networking.enableIPv6."; }
        { assertion = cfg.dmzHost != null -> cfg.externalInterface != null; message = "networking.nat.dmzHost needs networking.nat.externalInterface."; }
        { assertion = cfg.forwardPorts != [ ] -> cfg.externalInterface != null || cfg.externalIP != null; message = "networking.nat.forwardPorts needs networking.nat.externalInterface or networking.nat.externalIP."; }
        { assertion = useNft -> cfg.extraCommands == "" && cfg.extraStopCommands == ""; message = "networking.nat.extraCommands cannot be used with nftables."; }
      ];
      boot.kernelModules = [ "nf_nat" "nf_nat_ftp" ];
      boot.kernel.sysctl = {
        "net.ipv4.conf.all.forwarding" = lib.mkOverride 99 true;
        "net.ipv4.conf.default.forwarding" = lib.mkOverride 99 true;
      }
      // lib.optionalAttrs cfg.enableIPv6 {
        # Routers are listened to even by a machine that passes packets on.
        "net.ipv6.conf.all.accept_ra" = lib.mkOverride 99 2;
        "net.ipv6.conf.default.accept_ra" = lib.mkOverride 99 2;
        "net.ipv6.conf.all.forwarding" = lib.mkOverride 99 true;
        "net.ipv6.conf.default.forwarding" = lib.mkOverride 99 true;
      };
    }
    (lib.mkIf (!useNft) {
      environment.systemPackages = [ pkgs.iptables ];
      boot.kernelModules = [ "nft_chain_nat" "xt_MASQUERADE" "xt_mark" "xt_nat" ];
      systemd.services.nat = {
        description = "Network Address Translation";
        wantedBy = [ "network.target" ];
        after = [ "network-pre.target" "systemd-modules-load.service" ];
        path = [ pkgs.iptables ];
        unitConfig.ConditionCapability = "CAP_NET_ADMIN";
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${setup}";
          ExecStop = "${stop}";
        };
      };
    })
    (lib.mkIf useNft {
      networking.nftables.tables = {
        nixos-nat = {
          family = "ip";
          content = table "ip" { internal = cfg.internalIPs; external = cfg.externalIP; forwards = lib.filter (fwd: !(isV6 fwd.destination)) cfg.forwardPorts; };
        };
      }
      // lib.optionalAttrs cfg.enableIPv6 {
        nixos-nat6 = {
          name = "nixos-nat";
          family = "ip6";
          content = table "ip6" { internal = cfg.internalIPv6s; external = cfg.externalIPv6; forwards = lib.filter (fwd: isV6 fwd.destination) cfg.forwardPorts; };
        };
      };
    })
  ]);
}
