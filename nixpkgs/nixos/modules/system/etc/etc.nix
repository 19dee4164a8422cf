# `environment.etc`: files below /etc.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;

  entry = { name, config, options, ... }: {
    options = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = "Whether the file exists.";
      };
      target = mkOption {
        type = types.str;
        default = name;
        description = "Path below /etc.";
      };
      text = mkOption {
        type = types.nullOr types.lines;
        default = null;
        description = "Content of the file.";
      };
      source = mkOption {
        type = types.path;
        description = "File or folder that appears there.";
      };
      mode = mkOption {
        type = types.str;
        default = "symlink";
        example = "0600";
        description = "`symlink`, `direct-symlink`, or the octal permissions of a copy.";
      };
      uid = mkOption {
        type = types.int;
        default = 0;
        description = "Owner's number, of a copy.";
      };
      gid = mkOption {
        type = types.int;
        default = 0;
        description = "Group's number, of a copy.";
      };
      user = mkOption {
        type = types.str;
        default = "+${toString config.uid}";
        description = "Owner of a copy: a name, or `+` and a number.";
      };
      group = mkOption {
        type = types.str;
        default = "+${toString config.gid}";
        description = "Group of a copy: a name, or `+` and a number.";
      };
    };
    config = lib.mkIf (config.text != null) {
      # The text counts as much as its definition does.
      source = lib.mkDerivedConfig options.text (
        text: pkgs.writeText ("etc-" + lib.replaceStrings [ "/" ] [ "-" ] (lib.strings.sanitizeDerivationName name)) text
      );
    };
  };

  entries = lib.filter (entry: entry.enable) (lib.attrValues config.environment.etc);

  kind =
    entry:
    if entry.mode == "symlink" then
      { type = "symlink"; }
    else if entry.mode == "direct-symlink" then
      { type = "directSymlink"; }
    else
      { type = "file"; inherit (entry) mode user group; };
in
{
  options.environment.etc = mkOption {
    type = types.attrsOf (types.submodule entry);
    default = { };
    example = lib.literalExpression ''{ "example.conf".text = "key = value"; }'';
    description = "Files below /etc.";
  };

  config = {
    snowglobe.system.etc = map (entry: {
      inherit (entry) target;
      source = "${entry.source}";
      kind = kind entry;
    }) entries;

    # What /etc/static points to.
    system.build.etc = pkgs.linkFarm "etc" (
      map (entry: {
        name = "etc/${entry.target}";
        path = "${entry.source}";
      }) entries
    );
  };
}
