# `services.sslh`: several protocols at one port.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption;
  inherit (import ../short.nix { inherit lib; }) option flag enable;
  cfg = config.services.sslh;
  format = pkgs.formats.libconfig { };
  configFile = format.generate "sslh.conf" cfg.settings;
  near = port: extra: { host = "localhost"; port = toString port; } // extra;

  # Packets of connections that sslh made for a client come back to it.
  rules = loopback: [
    { table = "raw"; rule = "PREROUTING ! -i lo -d ${loopback} -j DROP"; }
    { table = "mangle"; rule = "POSTROUTING ! -o lo -s ${loopback} -j DROP"; }
    { table = "nat"; rule = "OUTPUT -m owner --uid-owner sslh -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j CONNMARK --set-xmark 0x02/0x0f"; }
    { table = "mangle"; rule = "OUTPUT ! -o lo -p tcp -m connmark --mark 0x02/0x0f -j CONNMARK --restore-mark --mask 0x0f"; }
  ];
  families = [ { program = "iptables"; ip = "ip"; all = "0.0.0.0/0"; rules = rules "127.0.0.0/8"; } ]
    ++ lib.optional config.networking.enableIPv6 { program = "ip6tables"; ip = "ip -6"; all = "::/0"; rules = rules "::1/128"; };
  install = family: ''
    ${lib.concatMapStrings (r: ''
      while ${family.program} -w -t ${r.table} -D ${r.rule} 2>/dev/null; do :; done
      ${family.program} -w -t ${r.table} -A ${r.rule}
    '') family.rules}
    ${family.ip} rule add fwmark 0x2 lookup 100
    ${family.ip} route add local ${family.all} dev lo table 100
  '';
  remove = family: ''
    ${lib.concatMapStrings (r: "${family.program} -w -t ${r.table} -D ${r.rule}\n") family.rules}
    ${family.ip} rule del fwmark 0x2 lookup 100
    ${family.ip} route del local ${family.all} dev lo table 100
  '';
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "sslh" "listenAddress" ] [ "services" "sslh" "listenAddresses" ])
    (lib.mkRenamedOptionModule [ "services" "sslh" "timeout" ] [ "services" "sslh" "settings" "timeout" ])
    (lib.mkRenamedOptionModule [ "services" "sslh" "transparent" ] [ "services" "sslh" "settings" "transparent" ])
    (lib.mkRemovedOptionModule [ "services" "sslh" "appendConfig" ] "Use services.sslh.settings instead.")
  ];

  options.services.sslh = {
    enable = enable "sslh, which tells protocols apart";
    method = option (types.enum [ "fork" "select" "ev" ]) "fork" "Whether each connection has a process, or all have one.";
    listenAddresses = option (types.coercedTo types.str (text: [ text ]) (types.listOf types.str)) [ "0.0.0.0" "[::]" ] "Addresses.";
    port = option types.port 443 "Port.";
    settings = mkOption {
      default = { };
      description = "Further settings.";
      type = types.submodule {
        freeformType = format.type;
        options = {
          timeout = option types.ints.unsigned 2 "Seconds until a silent client is taken for one of ssh.";
          transparent = flag false "Whether services see the client's address.";
          verbose-connections = option (types.ints.between 0 4) 0 "Where connections are logged; 0: nowhere.";
          numeric = flag true "Whether addresses are logged rather than names.";
          protocols = option (types.listOf format.type) [
            (near 22 { name = "ssh"; service = "ssh"; })
            (near 1194 { name = "openvpn"; })
            (near 5222 { name = "xmpp"; })
            (near 80 { name = "http"; })
            (near 443 { name = "tls"; })
            (near 443 { name = "anyprot"; })
          ] "What is told apart, and where it goes.";
        };
      };
    };
  };

  config = mkIf cfg.enable {
    services.sslh.settings = {
      foreground = true;
      inetd = false;
      listen = map (host: { inherit host; port = toString cfg.port; }) cfg.listenAddresses;
    };
    boot.kernel.sysctl = mkIf cfg.settings.transparent { "net.ipv4.conf.default.route_localnet" = 1; "net.ipv4.conf.all.route_localnet" = 1; };
    systemd.services.sslh = {
      description = "Applicative Protocol Multiplexer (e.g. share SSH and HTTPS on the same port)";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      path = mkIf cfg.settings.transparent [ pkgs.iptables pkgs.iproute2 pkgs.procps ];
      preStart = mkIf cfg.settings.transparent (lib.concatMapStrings install families);
      postStop = mkIf cfg.settings.transparent (lib.concatMapStrings remove families);
      serviceConfig = {
        DynamicUser = true;
        User = "sslh";
        PermissionsStartOnly = true;
        Restart = "always";
        RestartSec = "1s";
        ExecStart = "${pkgs.sslh}/bin/sslh${if cfg.method == "fork" then "" else "-${cfg.method}"} -F${configFile}";
        KillMode = "process";
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" "CAP_NET_ADMIN" "CAP_SETGID" "CAP_SETUID" ];
        PrivateTmp = true;
        PrivateDevices = true;
        ProtectSystem = "full";
        ProtectHome = true;
      };
    };
  };
}
