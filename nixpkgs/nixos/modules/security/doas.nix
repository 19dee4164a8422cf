# `security.doas`. Debian's opendoas reads the same file as upstream's.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.security.doas;

  rule = types.submodule {
    options = {
      noPass = mkOption { type = types.bool; default = false; description = "Whether no password is asked for."; };
      noLog = mkOption { type = types.bool; default = false; description = "Whether nothing is logged."; };
      persist = mkOption { type = types.bool; default = false; description = "Whether the password is asked for only once in a while."; };
      keepEnv = mkOption { type = types.bool; default = false; description = "Whether variables are kept."; };
      setEnv = mkOption { type = types.listOf types.str; default = [ ]; description = "Variables that are kept, set or removed."; };
      users = mkOption { type = types.listOf (types.either types.str types.int); default = [ ]; description = "Users that the rule is for."; };
      groups = mkOption { type = types.listOf (types.either types.str types.int); default = [ ]; description = "Groups that the rule is for."; };
      runAs = mkOption { type = types.nullOr types.str; default = null; description = "As whom commands may be run."; };
      cmd = mkOption { type = types.nullOr types.str; default = null; description = "The only command that is allowed."; };
      args = mkOption { type = types.nullOr (types.listOf types.str); default = null; description = "The only arguments that are allowed."; };
    };
  };

  options' = rule:
    lib.optional rule.noPass "nopass"
    ++ lib.optional rule.noLog "nolog"
    ++ lib.optional rule.persist "persist"
    ++ lib.optional rule.keepEnv "keepenv"
    ++ [ "setenv { ${lib.concatStringsSep " " ([ "SSH_AUTH_SOCK" "TERMINFO" "TERMINFO_DIRS" ] ++ rule.setEnv)} }" ];

  ruleText = rule:
    lib.concatMapStrings (
      who:
      "permit ${lib.concatStringsSep " " (options' rule)} ${who}${lib.optionalString (rule.runAs != null) " as ${rule.runAs}"}${
        lib.optionalString (rule.cmd != null) " cmd ${rule.cmd}${lib.optionalString (rule.args != null) " args ${toString rule.args}"}"
      }\n"
    ) (map toString rule.users ++ map (group: ":${toString group}") rule.groups);
in
{
  options.security.doas = {
    enable = mkOption { type = types.bool; default = false; description = "Whether there is doas."; };
    wheelNeedsPassword = mkOption { type = types.bool; default = true; description = "Whether members of wheel are asked for their password."; };
    extraRules = mkOption { type = types.listOf rule; default = [ ]; description = "Rules; the last that fits counts."; };
    extraConfig = mkOption { type = types.lines; default = ""; description = "Text at the end of doas.conf."; };
  };

  config = lib.mkIf cfg.enable {
    security.doas.extraRules = lib.mkOrder 600 [
      { groups = [ "wheel" ]; noPass = !cfg.wheelNeedsPassword; }
    ];
    security.wrappers.doas = { setuid = true; owner = "root"; group = "root"; source = "${pkgs.doas}/bin/doas"; };
    environment.systemPackages = [ pkgs.doas ];
    security.pam.services.doas = { };
    environment.etc."doas.conf" = {
      mode = "0440";
      text = ''
        # Made of the options security.doas.*.
        ${lib.concatMapStrings ruleText cfg.extraRules}
        ${cfg.extraConfig}
        # root may do everything, without a question.
        permit nopass keepenv root
      '';
    };
  };
}
