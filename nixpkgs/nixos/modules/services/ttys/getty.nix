# `services.getty`: logins on terminals.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.getty;
  # The language has no escape for this character.
  escape = builtins.fromJSON "\"\\u001b\"";
  login = "--login-program ${cfg.loginProgram}";
  arguments = extra: lib.concatStringsSep " " (
    [ login ]
    ++ lib.optionals (cfg.autologinUser != null) [ "--autologin ${cfg.autologinUser}" ]
    ++ lib.optionals (cfg.loginOptions != null) [ "--login-options '${cfg.loginOptions}'" ]
    ++ cfg.extraArgs
    ++ extra
  );
  command = extra: [ "" "@/usr/sbin/agetty agetty ${arguments extra}" ];
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "mingetty" "autologinUser" ] [ "services" "getty" "autologinUser" ])
    (lib.mkRenamedOptionModule [ "services" "mingetty" "helpLine" ] [ "services" "getty" "helpLine" ])
  ];

  options.services.getty = {
    loginProgram = mkOption { type = types.path; default = "/bin/login"; description = "What asks for the password."; };
    loginOptions = mkOption { type = types.nullOr types.str; default = null; description = "Arguments of the login program."; };
    autologinUser = mkOption { type = types.nullOr types.str; default = null; description = "Who is logged in without being asked."; };
    autologinOnce = mkOption { type = types.bool; default = false; description = "Not supported: automatic login only once."; };
    extraArgs = mkOption { type = types.listOf types.str; default = [ ]; description = "Arguments of agetty."; };
    greetingLine = mkOption { type = types.str; default = "<<< Welcome to ${config.system.nixos.distroName} ${config.system.nixos.label} (\\m) - \\l >>>"; description = "What is said before a login."; };
    helpLine = mkOption { type = types.lines; default = ""; description = "What is said after the greeting."; };
  };

  config = {
    snowglobe.refused = lib.optionalAttrs cfg.autologinOnce { "services.getty.autologinOnce" = "automatic login is for every time"; };

    environment.etc.issue = {
      mode = "0644";
      text = "\n${escape}[1;32m${cfg.greetingLine}${escape}[0m\n${cfg.helpLine}\n";
    };

    systemd.services = {
      "getty@".serviceConfig.ExecStart = command [ "--noclear" "--keep-baud" "%I" "115200,38400,9600" "$TERM" ];
      "getty@".restartIfChanged = false;
      "serial-getty@".serviceConfig.ExecStart = command [ "%I" "--keep-baud" "$TERM" ];
      "console-getty".serviceConfig.ExecStart = command [ "--noclear" "--keep-baud" "console" "115200,38400,9600" "$TERM" ];
    };
  };
}
