# Clocks by the network: `services.openntpd` and `services.ntpd-rs`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkDefault;
  inherit (import ../short.nix { inherit lib; }) option flag lines enable package;
  inherit (config.services) openntpd ntpd-rs;
  servers = option (types.listOf types.str) config.networking.timeServers "The servers that are asked." // {
    defaultText = lib.literalExpression "config.networking.timeServers";
  };

  openntpdConf = pkgs.writeText "ntpd.conf" (
    lib.concatMapStrings (server: "server ${server}\n") openntpd.servers + openntpd.extraConfig
  );

  toml = pkgs.formats.toml { };
  rsConf = toml.generate "ntpd-rs.toml" ntpd-rs.settings;
  daemon = description: extra: {
    inherit description;
    wantedBy = [ "multi-user.target" ];
    wants = [ "time-sync.target" ];
    before = [ "time-sync.target" ];
    after = [ "network.target" "nss-lookup.target" ];
    conflicts = [ "systemd-timesyncd.service" ];
  } // extra;
in
{
  options.services = {
    openntpd = {
      enable = enable "OpenNTPD";
      inherit servers;
      extraConfig = lines "Further text of ntpd.conf.";
      extraOptions = option (types.separatedString " ") "" "Further arguments.";
    };
    ntpd-rs = {
      enable = enable "ntpd-rs";
      package = package "ntpd-rs" pkgs.ntpd-rs;
      useNetworkingTimeServers = flag true "Whether `networking.timeServers` are asked.";
      metrics.enable = flag false "Whether counters are served to Prometheus.";
      settings = option toml.type { } "Settings of ntp.toml.";
    };
  };

  config = lib.mkMerge [
    (mkIf openntpd.enable {
      environment.systemPackages = [ pkgs.openntpd ];
      environment.etc."ntpd.conf".source = openntpdConf;
      services.timesyncd.enable = lib.mkForce false;
      # Debian's name of the user that the program gives its privileges up for.
      users.users._ntp = { isSystemUser = true; group = "_ntp"; description = "OpenNTP daemon user"; home = "/var/empty"; };
      users.groups._ntp = { };
      systemd.tmpfiles.rules = [ "d /var/lib/openntpd 0755 root root -" "d /run/openntpd 0755 root root -" ];
      systemd.services.openntpd = daemon "OpenNTP Server" {
        serviceConfig.ExecStart = "${pkgs.openntpd}/bin/ntpd -d -f ${openntpdConf} -p /run/openntpd/openntpd.pid ${openntpd.extraOptions}";
      };
    })

    (mkIf ntpd-rs.enable {
      environment.systemPackages = [ ntpd-rs.package ];
      services.timesyncd.enable = lib.mkForce false;
      users.users.ntpd-rs = { isSystemUser = true; group = "ntpd-rs"; };
      users.groups.ntpd-rs = { };
      snowglobe.refused = mkIf ntpd-rs.metrics.enable { "services.ntpd-rs.metrics.enable" = "Debian's ntpd-rs comes without ntp-metrics-exporter"; };
      services.ntpd-rs.settings = {
        observability.observation-path = mkDefault "/var/run/ntpd-rs/observe";
        source = mkIf ntpd-rs.useNetworkingTimeServers (map (address: { mode = "server"; inherit address; }) config.networking.timeServers);
      };
      systemd.services.ntpd-rs = daemon "Rust Network Time Service" {
        aliases = [ "ntpd.service" ];
        serviceConfig = {
          ExecStart = "${ntpd-rs.package}/bin/ntp-daemon --config=${rsConf}";
          User = "ntpd-rs";
          Group = "ntpd-rs";
          RuntimeDirectory = "ntpd-rs";
          AmbientCapabilities = [ "CAP_SYS_TIME" "CAP_NET_BIND_SERVICE" ];
        };
      };
    })
  ];
}
