# Clocks by the network: `services.chrony`, `services.openntpd`, `services.ntpd-rs`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkDefault;
  inherit (import ../short.nix { inherit lib; }) option flag lines enable package;
  inherit (config.services) chrony openntpd ntpd-rs;
  servers = option (types.listOf types.str) config.networking.timeServers "The servers that are asked." // {
    defaultText = lib.literalExpression "config.networking.timeServers";
  };

  c = chrony;
  driftFile = "${c.directory}/chrony.drift";
  keyFile = "${c.directory}/chrony.keys";
  chronyConf = pkgs.writeText "chrony.conf" ''
    ${lib.concatMapStrings (server: "server ${server} ${c.serverOption}${lib.optionalString c.enableNTS " nts"}\n") c.servers}
    ${lib.optionalString c.initstepslew.enabled "initstepslew ${toString c.initstepslew.threshold} ${toString c.servers}"}
    driftfile ${driftFile}
    keyfile ${keyFile}
    ${lib.optionalString (c.enableRTCTrimming) "rtcfile ${c.directory}/chrony.rtc\nrtcautotrim ${toString c.autotrimThreshold}"}
    ${lib.optionalString (!c.enableRTCTrimming) "rtcsync"}
    ${lib.optionalString c.enableNTS "ntsdumpdir ${c.directory}"}
    ${c.extraConfig}
  '';
  chronyFlags = [ "-n" "-u" "chrony" "-f" "${chronyConf}" ] ++ lib.optional c.enableMemoryLocking "-m" ++ c.extraFlags;

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
    chrony = {
      enable = enable "chrony, which sets the clock";
      package = package "chrony" pkgs.chrony;
      inherit servers;
      serverOption = option (types.enum [ "iburst" "offline" ]) "iburst" "How the servers are asked.";
      enableMemoryLocking = flag false "Whether the daemon stays in memory.";
      enableRTCTrimming = flag true "Whether the machine's other clock is trimmed.";
      autotrimThreshold = option types.ints.positive 30 "Seconds of error before it is.";
      enableNTS = flag false "Whether the servers are asked by NTS.";
      initstepslew = {
        enabled = flag false "Whether the clock is set at once when the daemon starts.";
        threshold = option (types.either types.float types.int) 1000 "Seconds of error above which the clock is set rather than slowed.";
      };
      directory = option types.str "/var/lib/chrony" "Where chrony keeps what it measured.";
      extraConfig = lines "Further text of chrony.conf.";
      extraFlags = option (types.listOf types.str) [ ] "Further arguments.";
    };
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
    (mkIf c.enable {
      environment.systemPackages = [ c.package ];
      users.users.chrony = { uid = config.ids.uids.chrony; group = "chrony"; description = "chrony daemon user"; home = c.directory; };
      users.groups.chrony.gid = config.ids.gids.chrony;
      services.timesyncd.enable = lib.mkForce false;
      systemd.tmpfiles.rules = [
        "d ${c.directory} 0750 chrony chrony - -"
        "f ${driftFile} 0640 chrony chrony - -"
        "f ${keyFile} 0640 chrony chrony - -"
      ];
      systemd.services.chronyd = daemon "chrony NTP daemon" {
        aliases = [ "chrony.service" ];
        path = [ c.package ];
        unitConfig.ConditionCapability = "CAP_SYS_TIME";
        serviceConfig = {
          Type = "simple";
          ExecStart = "${c.package}/bin/chronyd ${lib.escapeShellArgs chronyFlags}";
          RuntimeDirectory = "chrony";
          RuntimeDirectoryMode = "0750";
          PrivateTmp = true;
          ProtectHome = true;
          ProtectKernelModules = true;
          ProtectControlGroups = true;
        };
      };
    })

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
