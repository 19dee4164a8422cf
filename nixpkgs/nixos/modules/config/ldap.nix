# `users.ldap`: where programs find the directory of people. Logging in by it is not set up.
{ config, lib, ... }:
let
  inherit (lib) types;
  inherit (import ../services/short.nix { inherit lib; }) enable flag lines option maybe;
  cfg = config.users.ldap;

  text = ''
    uri ${cfg.server}
    base ${cfg.base}
    timelimit ${toString cfg.timeLimit}
    ${lib.optionalString cfg.useTLS "ssl start_tls\ntls_checkpeer no"}
    ${lib.optionalString (cfg.bind.distinguishedName != "") "binddn ${cfg.bind.distinguishedName}"}
    ${cfg.extraConfig}
  '';
in
{
  options.users.ldap = {
    enable = enable "programs with a directory of people (`ldap.conf`)";
    loginPam = flag true "Whether people of the directory can log in: has to be false.";
    nsswitch = flag true "Whether people of the directory are users of the machine: has to be false.";
    server = option types.str "" "URI of the server." // { example = "ldap://ldap.example.org/"; };
    base = option types.str "" "Where searches begin." // { example = "dc=example,dc=org"; };
    useTLS = flag false "Whether connections are encrypted by StartTLS.";
    timeLimit = option types.int 0 "Seconds that a search may take; 0: as long as it takes.";
    bind.distinguishedName = option types.str "" "Whom to bind as.";
    bind.passwordFile = maybe types.str "Not supported: the password of a bind.";
    extraConfig = lines "Further lines of ldap.conf.";
    daemon.enable = flag false "Not supported: nslcd.";
  };

  config = lib.mkIf cfg.enable {
    snowglobe.refused =
      lib.optionalAttrs cfg.loginPam { "users.ldap.loginPam" = "Debian's PAM modules for LDAP are not set up; set it to false"; }
      // lib.optionalAttrs cfg.nsswitch { "users.ldap.nsswitch" = "the name service switch does not ask LDAP; set it to false"; }
      // lib.optionalAttrs cfg.daemon.enable { "users.ldap.daemon.enable" = "nslcd is not set up"; }
      // lib.optionalAttrs (cfg.bind.passwordFile != null) { "users.ldap.bind.passwordFile" = "only programs that are told a password bind"; };
    # The clients are Debian's, the first is where NixOS has it.
    environment.etc."ldap.conf".text = text;
    environment.etc."ldap/ldap.conf".text = text;
  };
}
