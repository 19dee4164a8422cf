# `services.samba`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault;
  inherit (import ../short.nix { inherit lib; }) option flag enable package;
  cfg = config.services.samba;

  text = value: if lib.isList value then toString value else if lib.isBool value then (if value then "yes" else "no") else toString value;
  section = name: values: "[${name}]\n" + lib.concatStrings (lib.mapAttrsToList (key: value: "${key} = ${text value}\n") values);
  # `global` comes first: parameters of shares start from its.
  configFile = pkgs.writeText "smb.conf" (
    section "global" cfg.settings.global
    + lib.concatStrings (lib.mapAttrsToList (name: values: "\n" + section name values) (removeAttrs cfg.settings [ "global" ]))
  );

  daemon = name: description: options: {
    inherit description;
    after = [ "network.target" "network-online.target" ] ++ lib.optional (name != "nmbd" && cfg.nmbd.enable) "samba-nmbd.service";
    wants = [ "network-online.target" ];
    wantedBy = [ "samba.target" ];
    partOf = [ "samba.target" ];
    restartTriggers = [ configFile ];
    serviceConfig = {
      Type = "notify";
      ExecStart = "${cfg.package}/bin/${name} --foreground --no-process-group ${lib.escapeShellArgs options.extraArgs}";
      ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
      LimitNOFILE = 16384;
      PIDFile = "/run/samba/${name}.pid";
      NotifyAccess = "all";
      Slice = "system-samba.slice";
      RuntimeDirectory = "samba";
      RuntimeDirectoryPreserve = true;
    };
    unitConfig.RequiresMountsFor = "/var/lib/samba";
  };
  daemonOptions = name: {
    enable = flag true "Whether Samba's ${name} runs.";
    extraArgs = option (types.listOf types.str) [ ] "Further arguments of ${name}.";
  };
in
{
  imports = [
    (lib.mkRemovedOptionModule [ "services" "samba" "extraConfig" ] "Use services.samba.settings instead.")
    (lib.mkRemovedOptionModule [ "services" "samba" "defaultShare" ] "Use services.samba.settings instead.")
    (lib.mkRenamedOptionModule [ "services" "samba" "securityType" ] [ "services" "samba" "settings" "global" "security" ])
    (lib.mkRenamedOptionModule [ "services" "samba" "shares" ] [ "services" "samba" "settings" ])
    (lib.mkRenamedOptionModule [ "services" "samba" "enableWinbindd" ] [ "services" "samba" "winbindd" "enable" ])
    (lib.mkRenamedOptionModule [ "services" "samba" "enableNmbd" ] [ "services" "samba" "nmbd" "enable" ])
  ];

  options.services.samba = {
    enable = enable "Samba, the server of files and printers for Windows";
    package = package "samba" pkgs.samba;
    openFirewall = flag false "Whether the firewall lets Samba's ports through.";
    smbd = daemonOptions "smbd";
    nmbd = daemonOptions "nmbd";
    winbindd = daemonOptions "winbindd";
    nsswins = flag false "Not supported: host names of WINS.";
    usershares = {
      enable = flag false "Whether users of a group may share directories.";
      group = option types.str "samba" "That group.";
    };
    settings = mkOption {
      type = types.submodule {
        freeformType = types.attrsOf (types.attrsOf (types.oneOf [ types.bool types.int types.float types.str types.path (types.listOf types.str) ]));
        options.global = {
          security = option (types.enum [ "auto" "user" "domain" "ads" ]) "user" "How clients are known.";
          "invalid users" = option (types.listOf types.str) [ "root" ] "Users that may not log in.";
          "passwd program" = option types.str "/run/wrappers/bin/passwd %u" "Program that changes passwords.";
        };
      };
      default = { };
      description = "Settings of smb.conf, by section.";
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = !cfg.nsswins;
        message = "services.samba.nsswins is not supported";
      }
    ];
    services.samba.settings.global = mkIf cfg.usershares.enable {
      "usershare path" = "/var/lib/samba/usershares";
      "usershare max shares" = mkDefault 100;
      "usershare allow guests" = mkDefault true;
    };

    environment.etc."samba/smb.conf".source = configFile;
    environment.systemPackages = [ cfg.package ];
    users.groups = mkIf cfg.usershares.enable { ${cfg.usershares.group} = { }; };
    security.pam.services.samba = { };

    systemd.tmpfiles.rules = [
      "d /var/lib/samba 0755 root root -"
      "d /var/lib/samba/private 0700 root root -"
      "d /var/cache/samba 0755 root root -"
      "d /var/log/samba 0755 root root -"
      "d /run/samba 0755 root root -"
    ]
    ++ lib.optional cfg.usershares.enable "d /var/lib/samba/usershares 1775 root ${cfg.usershares.group} - -";

    systemd.slices.system-samba.description = "Samba slice";
    systemd.targets.samba = {
      description = "Samba Server";
      after = [ "network.target" ];
      wants = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
    };
    systemd.services = lib.mkMerge [
      (mkIf cfg.smbd.enable { samba-smbd = daemon "smbd" "Samba SMB Daemon" cfg.smbd; })
      (mkIf cfg.nmbd.enable { samba-nmbd = daemon "nmbd" "Samba NMB Daemon" cfg.nmbd; })
      (mkIf cfg.winbindd.enable { samba-winbindd = daemon "winbindd" "Samba Winbind Daemon" cfg.winbindd; })
    ];

    networking.firewall = mkIf cfg.openFirewall {
      allowedTCPPorts = [ 139 445 ];
      allowedUDPPorts = [ 137 138 ];
    };
  };
}
