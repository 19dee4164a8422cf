# /etc/login.defs: how `useradd` and `login` behave.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.security.loginDefs;
in
{
  options.security.loginDefs = {
    chfnRestrict = mkOption { type = types.nullOr types.str; default = null; description = "What users may change with chfn."; };
    settings = mkOption {
      type = types.submodule { freeformType = types.attrsOf (types.oneOf [ types.str types.int types.bool types.path ]); };
      default = { };
      description = "Directives of login.defs(5).";
    };
  };

  config = {
    security.loginDefs.settings = lib.mapAttrs (_: lib.mkDefault) {
      DEFAULT_HOME = "yes";
      SYS_UID_MIN = 400;
      SYS_UID_MAX = 999;
      UID_MIN = 1000;
      UID_MAX = 29999;
      SYS_GID_MIN = 400;
      SYS_GID_MAX = 999;
      GID_MIN = 1000;
      GID_MAX = 29999;
      TTYGROUP = "tty";
      TTYPERM = "0620";
      UMASK = "077";
      ENCRYPT_METHOD = "YESCRYPT";
      USERGROUPS_ENAB = "yes";
      # Without it, Debian's su gives every session Debian's PATH.
      ENV_PATH = "PATH=/run/wrappers/bin:/run/current-system/sw/bin";
      ENV_SUPATH = "PATH=/run/wrappers/bin:/run/current-system/sw/bin";
    };

    environment.etc = {
      "login.defs".text = lib.concatStrings (
        lib.mapAttrsToList (name: value: "${name} ${if value == true then "yes" else if value == false then "no" else toString value}\n") cfg.settings
      ) + lib.optionalString (cfg.chfnRestrict != null) "CHFN_RESTRICT ${cfg.chfnRestrict}\n";
      "default/useradd".text = "GROUP=100\nHOME=/home\nSHELL=/run/current-system/sw/bin/bash\nCREATE_MAIL_SPOOL=no\n";
    };
  };
}
