# `services.chrony`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault optionalString concatMapStrings;
  inherit (import ../short.nix { inherit lib; }) option flag lines enable package;
  cfg = config.services.chrony;
  state = cfg.directory;
  key = "${state}/chrony.keys";

  configFile = pkgs.writeText "chrony.conf" ''
    ${concatMapStrings (server: "server ${server} ${cfg.serverOption}${optionalString cfg.enableNTS " nts"}\n") cfg.servers}
    ${optionalString (cfg.initstepslew.enabled && cfg.servers != [ ]) "initstepslew ${toString cfg.initstepslew.threshold} ${toString cfg.servers}"}
    ${optionalString (cfg.makestep.enable) "makestep ${toString cfg.makestep.threshold} ${toString cfg.makestep.limit}"}
    driftfile ${state}/chrony.drift
    keyfile ${key}
    ${optionalString (cfg.enableRTCTrimming) "rtcfile ${state}/chrony.rtc\nrtcautotrim ${toString cfg.autotrimThreshold}"}
    ${optionalString (!cfg.enableRTCTrimming) "rtcsync"}
    ${optionalString cfg.enableNTS "ntsdumpdir ${state}"}
    ${cfg.extraConfig}
  '';
in
{
  options.services.chrony = {
    enable = enable "chrony, which sets the clock by others' and gives the time to others";
    package = package "chrony" pkgs.chrony;
    servers = option (types.listOf types.str) config.networking.timeServers "Servers that are asked for the time.";
    serverOption = option (types.enum [ "iburst" "offline" ]) "iburst" "How servers are asked from the start on.";
    enableMemoryLocking = flag false "Whether chronyd's memory is never swapped out. (Upstream's default depends on its allocator.)";
    enableRTCTrimming = flag false "Whether chrony sets the hardware's clock by itself; otherwise the kernel does. (On by default upstream, where machines have clocks that drift.)";
    autotrimThreshold = option (types.ints.positive) 30 "Seconds by which the hardware's clock may be off.";
    enableNTS = flag false "Whether servers are asked by NTS.";
    initstepslew = mkOption {
      type = types.submodule {
        options.enabled = flag false "Whether the clock is set before the service has started.";
        options.threshold = option (types.either types.float types.int) 1000 "Seconds from which it steps.";
      };
      default = { };
      description = "Setting the clock at the start, before anything else.";
    };
    makestep = {
      enable = flag false "Whether the clock may step.";
      threshold = option (types.either types.float types.int) 0.1 "Seconds from which it steps.";
      limit = option types.int 3 "In how many of the first updates; below zero: always.";
    };
    directory = option types.str "/var/lib/chrony" "Where its data lie.";
    extraConfig = lines "Further text of chrony.conf.";
    extraFlags = option (types.listOf types.str) [ ] "Further arguments of chronyd.";
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    environment.etc."chrony/chrony.conf".source = configFile;
    services.timesyncd.enable = lib.mkForce false;
    users.users.chrony = {
      uid = config.ids.uids.chrony;
      group = "chrony";
      description = "chrony daemon user";
      home = state;
    };
    users.groups.chrony.gid = config.ids.gids.chrony;
    systemd.tmpfiles.rules = [
      "d ${state} 0750 chrony chrony - -"
      "f ${key} 0640 chrony chrony - -"
    ];

    systemd.services.chronyd = {
      description = "chrony NTP daemon";
      aliases = [ "chrony.service" ];
      wantedBy = [ "multi-user.target" ];
      wants = [ "time-sync.target" ];
      before = [ "time-sync.target" ];
      after = [ "network.target" "nss-lookup.target" ];
      conflicts = [ "ntpd.service" "systemd-timesyncd.service" ];
      unitConfig.ConditionCapability = "CAP_SYS_TIME";
      serviceConfig = {
        Type = "simple";
        ExecStart = "${cfg.package}/bin/chronyd -n -u chrony -f ${configFile} ${optionalString cfg.enableMemoryLocking "-m"} ${lib.escapeShellArgs cfg.extraFlags}";
        ProtectHome = true;
        ProtectSystem = "strict";
        ReadWritePaths = [ state "/run" ];
        PrivateTmp = true;
        Restart = "on-failure";
      };
    };
  };
}
