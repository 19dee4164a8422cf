# `services.fail2ban`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable package;
  cfg = config.services.fail2ban;
  format = pkgs.formats.ini { mkKeyValue = lib.generators.mkKeyValueDefault { } " = "; };
  values = (pkgs.formats.keyValue { }).type;
  filterOf = name: "nixos-${name}";

  jails = lib.filterAttrs (_: lib.isAttrs) cfg.jails;
  inline = lib.filterAttrs (_: jail: lib.isAttrs jail.filter) jails;
  jail = name: this:
    lib.optionalAttrs (name != "DEFAULT") { inherit (this) enabled; }
    // lib.optionalAttrs (this.filter != null) { filter = if lib.isString this.filter then this.filter else filterOf name; }
    // this.settings;
  jailText =
    lib.generators.toINI { mkKeyValue = lib.generators.mkKeyValueDefault { } " = "; } (
      { INCLUDES.before = "paths-nixos.conf"; } // lib.mapAttrs jail jails
    )
    + lib.concatStrings (lib.mapAttrsToList (name: text: lib.optionalString (text != "") "[${name}]\n${text}\n") (lib.filterAttrs (_: lib.isString) cfg.jails));
  local = kind: name: value: lib.nameValuePair "fail2ban/${kind}.d/${name}.local" { source = format.generate "${name}.local" value; };
  inc = cfg.bantime-increment;
in
{
  imports = [
    (lib.mkRemovedOptionModule [ "services" "fail2ban" "daemonConfig" ] "Use services.fail2ban.daemonSettings instead.")
    (lib.mkRemovedOptionModule [ "services" "fail2ban" "extraSettings" ] "Use services.fail2ban.jails.DEFAULT.settings instead.")
  ];

  options.services.fail2ban = {
    enable = enable "fail2ban, which shuts out addresses that fail to log in";
    package = package "fail2ban" pkgs.fail2ban;
    packageFirewall = option types.package (if config.networking.nftables.enable then pkgs.nftables else pkgs.iptables) "The firewall's programs." // {
      defaultText = lib.literalExpression "pkgs.nftables or pkgs.iptables, whichever the firewall is";
    };
    extraPackages = option (types.listOf types.package) [ ] "Further programs for actions.";
    bantime = option types.str "10m" "How long an address is shut out.";
    maxretry = option types.ints.unsigned 3 "Failures before that.";
    banaction = option types.str (if config.networking.nftables.enable then "nftables-multiport" else "iptables-multiport") "How addresses are shut out from some ports.";
    banaction-allports = option types.str (if config.networking.nftables.enable then "nftables-allports" else "iptables-allports") "How addresses are shut out from all ports.";
    bantime-increment = {
      enable = flag false "Whether an address is shut out for longer every time.";
      rndtime = maybe types.str "Most of a random time that is added.";
      maxtime = maybe types.str "Longest time.";
      factor = maybe types.str "Factor of the growth.";
      formula = maybe types.str "Formula of the growth.";
      multipliers = maybe types.str "Factors, one after the other, instead of a formula.";
      overalljails = maybe types.bool "Whether what happened in other jails counts.";
    };
    ignoreIP = option (types.listOf types.str) [ ] "Addresses, networks and hosts that are never shut out.";
    daemonSettings = option format.type { } "Settings of fail2ban.local.";
    jails = mkOption {
      default = { };
      description = "What is watched: sets, or the text of a section.";
      type = types.attrsOf (types.either types.lines (types.submodule {
        options = {
          enabled = flag true "Whether this is watched.";
          filter = maybe (types.either types.str format.type) "Name of a filter, or the filter itself.";
          settings = option values { } "Further settings.";
        };
      }));
    };
    actions = option (types.attrsOf format.type) { } "Further actions, by name.";
    filters = option (types.attrsOf format.type) { } "Further filters, by name.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = inc.formula == null || inc.multipliers == null;
        message = "services.fail2ban.bantime-increment: formula and multipliers exclude each other";
      }
    ];
    warnings = lib.optional (!config.networking.firewall.enable && !config.networking.nftables.enable) "fail2ban shuts nobody out without a firewall";

    environment.systemPackages = [ cfg.package ];
    environment.etc = lib.mkMerge [
      {
        "fail2ban/fail2ban.conf".source = "${cfg.package}/etc/fail2ban/fail2ban.conf";
        "fail2ban/fail2ban.local".source = format.generate "fail2ban.local" cfg.daemonSettings;
        "fail2ban/jail.conf".source = "${cfg.package}/etc/fail2ban/jail.conf";
        "fail2ban/jail.local".text = jailText;
        "fail2ban/paths-common.conf".source = "${cfg.package}/etc/fail2ban/paths-common.conf";
        # jail.conf of Debian names this file.
        "fail2ban/paths-debian.conf".source = "${cfg.package}/etc/fail2ban/paths-debian.conf";
        "fail2ban/paths-nixos.conf".text = ''
          [INCLUDES]
          before = paths-common.conf
          after = paths-overrides.local
          [DEFAULT]
        '';
      }
      (lib.mapAttrs' (name: this: local "filter" (filterOf name) this.filter) inline)
      (lib.mapAttrs' (local "filter") cfg.filters)
      (lib.mapAttrs' (local "action") cfg.actions)
    ];
    # What the package brings lies beside what the options add.
    systemd.tmpfiles.rules = [ "d /run/fail2ban 0755 root root -" ];

    services.fail2ban.daemonSettings.Definition = lib.mapAttrs (_: mkDefault) {
      logtarget = "SYSLOG";
      socket = "/run/fail2ban/fail2ban.sock";
      pidfile = "/run/fail2ban/fail2ban.pid";
      dbfile = "/var/lib/fail2ban/fail2ban.sqlite3";
    };
    services.fail2ban.jails = lib.mkMerge [
      {
        DEFAULT.settings = lib.mapAttrs (_: mkDefault) (
          lib.optionalAttrs inc.enable (
            { "bantime.increment" = true; }
            // lib.filterAttrs (_: value: value != null) {
              "bantime.rndtime" = inc.rndtime;
              "bantime.maxtime" = inc.maxtime;
              "bantime.factor" = inc.factor;
              "bantime.formula" = inc.formula;
              "bantime.multipliers" = inc.multipliers;
              "bantime.overalljails" = inc.overalljails;
            }
          )
          // {
            inherit (cfg) bantime maxretry banaction;
            banaction_allports = cfg.banaction-allports;
            ignoreip = "127.0.0.1/8 ${lib.optionalString config.networking.enableIPv6 "::1"} ${toString cfg.ignoreIP}";
            backend = "systemd";
          }
        );
      }
      (mkIf config.services.openssh.enable {
        sshd.settings.port = mkDefault (lib.concatMapStringsSep "," toString config.services.openssh.ports);
        # Debian's filter looks for Debian's unit.
        sshd.settings.journalmatch = mkDefault "_SYSTEMD_UNIT=sshd.service + _COMM=sshd + _COMM=sshd-session";
      })
    ];
    services.openssh.settings.LogLevel = mkDefault "VERBOSE";

    systemd.services.fail2ban = {
      description = "Fail2ban Intrusion Prevention System";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      partOf = lib.optional config.networking.firewall.enable (if config.networking.nftables.enable then "nftables.service" else "firewall.service");
      path = [ cfg.package cfg.packageFirewall pkgs.iproute2 ] ++ cfg.extraPackages;
      preStart = ''
        for kind in filter action; do
          mkdir -p /etc/fail2ban/$kind.d
          for file in ${cfg.package}/etc/fail2ban/$kind.d/*; do
            [ -e "/etc/fail2ban/$kind.d/''${file##*/}" ] || ln -s "$file" /etc/fail2ban/$kind.d/
          done
        done
      '';
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/fail2ban-server -xf start";
        ExecStop = "${cfg.package}/bin/fail2ban-server stop";
        ExecReload = "${cfg.package}/bin/fail2ban-server reload";
        Type = "simple";
        Restart = "on-failure";
        PIDFile = "/run/fail2ban/fail2ban.pid";
        RuntimeDirectory = "fail2ban";
        StateDirectory = "fail2ban";
        CapabilityBoundingSet = [ "CAP_AUDIT_READ" "CAP_DAC_READ_SEARCH" "CAP_NET_ADMIN" "CAP_NET_RAW" "CAP_DAC_OVERRIDE" ];
        NoNewPrivileges = true;
        PrivateDevices = true;
        ProtectHome = true;
        ProtectControlGroups = true;
        ProtectKernelModules = true;
      };
    };
  };
}
