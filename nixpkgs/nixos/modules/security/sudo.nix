# `security.sudo`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.security.sudo;

  command = types.either types.str (
    types.submodule {
      options = {
        command = mkOption { type = types.str; description = "The command, or `ALL`."; };
        options = mkOption {
          type = types.listOf (types.enum [
            "NOPASSWD" "PASSWD" "NOEXEC" "EXEC" "SETENV" "NOSETENV" "LOG_INPUT" "NOLOG_INPUT" "LOG_OUTPUT" "NOLOG_OUTPUT" "MAIL" "NOMAIL" "FOLLOW" "NOFLLOW" "NOFOLLOW" "INTERCEPT" "NOINTERCEPT"
          ]);
          default = [ ];
          description = "Tags of the command.";
        };
      };
    }
  );

  rule = types.submodule {
    options = {
      users = mkOption { type = types.listOf (types.either types.str types.int); default = [ ]; description = "Users that the rule is for."; };
      groups = mkOption { type = types.listOf (types.either types.str types.int); default = [ ]; description = "Groups that the rule is for."; };
      host = mkOption { type = types.str; default = "ALL"; description = "Hosts that the rule is for."; };
      runAs = mkOption { type = types.str; default = "ALL:ALL"; description = "As whom commands may be run."; };
      commands = mkOption { type = types.listOf command; description = "Commands."; };
    };
  };

  userText = user: if lib.isInt user then "#${toString user}" else toString user;
  groupText = group: if lib.isInt group then "%#${toString group}" else "%${toString group}";

  commandText =
    command:
    if lib.isString command then command else lib.concatMapStrings (tag: "${tag}: ") command.options + command.command;

  ruleText =
    rule:
    lib.optionalString (rule.commands != [ ]) (
      lib.concatMapStrings (
        who: "${who}\t${rule.host}=(${rule.runAs})\t${lib.concatMapStringsSep ", " commandText rule.commands}\n"
      ) (map userText rule.users ++ map groupText rule.groups)
    );

  passwordless = if cfg.wheelNeedsPassword then [ ] else [ "NOPASSWD" ];
in
{
  options.security.sudo = {
    enable = mkOption { type = types.bool; default = true; description = "Whether there is sudo."; };
    package = mkOption { type = types.package; default = pkgs.sudo; description = "sudo."; };
    wheelNeedsPassword = mkOption { type = types.bool; default = true; description = "Whether members of wheel are asked for their password."; };
    execWheelOnly = mkOption { type = types.bool; default = false; description = "Whether only members of wheel may run sudo at all."; };
    defaultOptions = mkOption { type = types.listOf types.str; default = [ "SETENV" ]; description = "Tags of the rules for root and wheel."; };
    configFile = mkOption { type = types.lines; description = "/etc/sudoers, if it is not to be made of rules."; };
    extraRules = mkOption { type = types.listOf rule; default = [ ]; description = "Rules; the last that fits counts."; };
    extraConfig = mkOption { type = types.lines; default = ""; description = "Text at the end of /etc/sudoers."; };
    keepTerminfo = mkOption { type = types.bool; default = true; description = "Whether variables about the terminal are kept for wheel."; };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.execWheelOnly -> lib.all (rule: lib.all (user: user == "root") rule.users && lib.all (group: group == "wheel") rule.groups) cfg.extraRules;
        message = "security.sudo.extraRules is for users and groups that security.sudo.execWheelOnly keeps out; make these members of wheel.";
      }
    ];

    security.sudo.extraRules = lib.mkBefore [
      { users = [ "root" ]; commands = [ { command = "ALL"; options = cfg.defaultOptions; } ]; }
      { groups = [ "wheel" ]; commands = [ { command = "ALL"; options = passwordless ++ cfg.defaultOptions; } ]; }
    ];

    security.sudo.configFile = lib.concatStrings [
      "# Made of the options security.sudo.*.\n\n"
      "# Debian's sudo would write mail and use a terminal of its own.\n"
      "Defaults !use_pty\n"
      "Defaults env_keep+=SSH_AUTH_SOCK\n"
      (lib.optionalString cfg.keepTerminfo "Defaults:root,%wheel env_keep+=TERMINFO_DIRS\nDefaults:root,%wheel env_keep+=TERMINFO\n")
      "\n"
      (lib.concatMapStrings ruleText cfg.extraRules)
      "\n"
      cfg.extraConfig
    ];

    security.wrappers = {
      sudo = {
        source = "${cfg.package}/bin/sudo";
        owner = "root";
        group = if cfg.execWheelOnly then "wheel" else "root";
        setuid = true;
        permissions = if cfg.execWheelOnly then "u+rx,g+x" else "u+rx,g+x,o+x";
      };
      sudoedit = {
        source = "${cfg.package}/bin/sudoedit";
        owner = "root";
        group = if cfg.execWheelOnly then "wheel" else "root";
        setuid = true;
        permissions = if cfg.execWheelOnly then "u+rx,g+x" else "u+rx,g+x,o+x";
      };
    };

    environment.systemPackages = [ cfg.package ];
    # Debian's program has the rights of its wrapper: those whom the wrapper keeps out could take it.
    systemd.tmpfiles.rules = lib.mkIf cfg.execWheelOnly [ "z /usr/bin/sudo 0755 root root -" ];

    security.pam.services.sudo = { };
    security.pam.services.sudo-i = { };

    environment.etc.sudoers = {
      mode = "0440";
      text = cfg.configFile;
    };
  };
}
