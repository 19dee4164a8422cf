# `bin/switch-to-configuration` of a system: makes a running machine have another configuration.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;

  # What has to be put into /etc, one entry a line.
  field = text: if text == null || text == "" then "-" else text;
  manifest = pkgs.writeText "etc-manifest" (
    lib.concatMapStrings (
      entry:
      lib.concatStringsSep "\t" [
        entry.target
        entry.kind.type
        (field (entry.kind.mode or ""))
        (field (entry.kind.user or ""))
        (field (entry.kind.group or ""))
        entry.source
      ]
      + "\n"
    ) (lib.filter (entry: !(lib.hasInfix "\t" entry.target)) config.snowglobe.system.etc)
  );

  path = with pkgs; [ coreutils diffutils findutils gnugrep gnused kmod systemd util-linux ];

  # Only machines that can be switched carry the program, so that others do not depend on it.
  wanted = config.system.switch.enable && config.system.activatable;
in
{
  options.system = {
    activatable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether a running machine can be switched to the system.";
    };
    switch.enable = mkOption {
      type = types.bool;
      default = config.specialisation != { };
      defaultText = "whether there are specialisations";
      description = "Whether the system has the program `switch-to-configuration`.";
    };
  };

  config = lib.mkIf wanted {
    system.toplevelLinks.etc-manifest = manifest;
    system.toplevelPrograms."bin/switch-to-configuration" = ''
      #! ${pkgs.runtimeShell}
      export PATH=${lib.makeBinPath path}
      modules=(${lib.escapeShellArgs config.boot.kernelModules})
    ''
    + builtins.readFile ./switch-to-configuration.sh;
  };
}
