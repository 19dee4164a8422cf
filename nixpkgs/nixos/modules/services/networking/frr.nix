# `services.frr`: routing daemons.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines;
  cfg = config.services.frr;
  # Those of Debian's package; the others below always run.
  daemons = [ "bgpd" "ospfd" "ospf6d" "ripd" "ripngd" "isisd" "pimd" "pim6d" "ldpd" "nhrpd" "eigrpd" "babeld" "sharpd" "pbrd" "bfdd" "fabricd" "vrrpd" "pathd" ];
  over6 = [ "ospf6d" "ripngd" "pim6d" ];
  standard = name: if name == "zebra" then "-A 127.0.0.1 -s 90000000" else if lib.elem name over6 then "-A ::1" else "-A 127.0.0.1";
  all = daemons ++ [ "zebra" "mgmtd" "staticd" ];
  configFile = if cfg.configFile != null then cfg.configFile else pkgs.writeText "frr.conf" ''
    hostname ${config.networking.hostName}
    log syslog
    service password-encryption
    service integrated-vtysh-config
    !
    ${cfg.config}
    !
    end
  '';
  daemonsFile = ''
    ${lib.concatMapStrings (name: "${name}=${if cfg.${name}.enable then "yes" else "no"}\n") daemons}
    vtysh_enable=yes
    ${lib.concatMapStrings (name: "${name}_options=\"${toString (cfg.${name}.options ++ cfg.${name}.extraOptions)}\"\n") all}
  '';
in
{
  # Each such name costs every machine a little: these are the ones that people wrote.
  imports = map (name: lib.mkRenamedOptionModule [ "services" "frr" name "enable" ] [ "services" "frr" "${name}d" "enable" ]) [ "bgp" "ospf" "ospf6" "rip" "isis" "bfd" ];

  options.services.frr = {
    configFile = maybe types.path "The whole configuration; default: what these options say.";
    config = lines "Text of frr.conf.";
    openFilesLimit = option types.ints.unsigned 1024 "Most files that a daemon has open.";
  }
  // lib.genAttrs all (
    name:
    {
      options = option (types.listOf types.str) [ (standard name) ] "Arguments of ${name}.";
      extraOptions = option (types.listOf types.str) [ ] "Further arguments of ${name}.";
    }
    // lib.optionalAttrs (lib.elem name daemons) { enable = flag false "Whether to run ${name}."; }
  );

  config = mkIf (cfg.configFile != null || cfg.config != "" || lib.any (name: cfg.${name}.enable) daemons) {
    environment.systemPackages = [ pkgs.frr ];
    users.users.frr = { description = "FRR daemon user"; isSystemUser = true; group = "frr"; };
    users.groups.frr = { };
    users.groups.frrvty.members = [ "frr" ];
    environment.etc = {
      "frr/frr.conf".source = configFile;
      "frr/vtysh.conf".text = "service integrated-vtysh-config\n";
      "frr/daemons".text = daemonsFile;
    };
    # vtysh asks PAM who may use it.
    security.pam.services.frr = { };
    systemd.tmpfiles.rules = [ "d /run/frr 0755 frr frr -" "d /var/log/frr 0755 frr frr -" "d /var/lib/frr 0755 frr frr -" "d /var/tmp/frr 0755 frr frr -" ];
    systemd.services.frr = {
      description = "FRRouting";
      wants = [ "network.target" ];
      after = [ "network-pre.target" "systemd-sysctl.service" "systemd-tmpfiles-setup.service" ];
      before = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      startLimitIntervalSec = 180;
      reloadIfChanged = true;
      restartTriggers = [ configFile daemonsFile ];
      serviceConfig = {
        Nice = -5;
        Type = "forking";
        NotifyAccess = "all";
        StartLimitBurst = 3;
        TimeoutSec = 120;
        WatchdogSec = 60;
        RestartSec = 5;
        Restart = "always";
        LimitNOFILE = cfg.openFilesLimit;
        PIDFile = "/run/frr/watchfrr.pid";
        ExecStart = "${pkgs.frr}/libexec/frr/frrinit.sh start";
        ExecStop = "${pkgs.frr}/libexec/frr/frrinit.sh stop";
        ExecReload = "${pkgs.frr}/libexec/frr/frrinit.sh reload";
      };
    };
  };
}
