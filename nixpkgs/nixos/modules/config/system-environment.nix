# `environment.sessionVariables`: variables that PAM gives to every session, so that `su alice -c`
# has them without a login shell.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.environment;

  # As pam_env(8) writes home directory and user.
  forPam = lib.replaceStrings [ "$HOME" "$USER" "\${XDG_STATE_HOME}" ] [ "@{HOME}" "@{PAM_USER}" "@{HOME}/.local/state" ];

  relative =
    lib.mapAttrs (_: suffixes: lib.concatMap (profile: map (suffix: "${profile}${suffix}") suffixes) cfg.profiles)
      cfg.profileRelativeSessionVariables;

  session = lib.zipAttrsWith (_: values: lib.concatStringsSep ":" values) [
    (lib.optionalAttrs config.security.enableWrappers { PATH = config.security.wrapperDir; })
    (lib.mapAttrs (_: paths: lib.concatStringsSep ":" paths) relative)
    cfg.sessionVariables
  ];

  line = name: value: ''${name} DEFAULT="${forPam (lib.replaceStrings [ "\"" ] [ "\\\"" ] value)}"'';
in
{
  options.environment = {
    sessionVariables = mkOption {
      inherit (lib.mkOption { type = types.attrsOf (types.nullOr (types.oneOf [ (types.listOf (types.oneOf [ types.int types.str types.path ])) types.int types.str types.path ])); }) type;
      default = { };
      apply = set: lib.mapAttrs (_: value: if lib.isList value then lib.concatMapStringsSep ":" toString value else toString value) (lib.filterAttrs (_: value: value != null) set);
      description = "Variables of every session, set when it starts.";
    };
    profileRelativeSessionVariables = mkOption {
      type = types.attrsOf (types.listOf types.str);
      default = { };
      description = "Variables of sessions that hold a folder of every profile.";
    };
  };

  config.environment = {
    etc."pam/environment".text = "${lib.concatStringsSep "\n" (lib.mapAttrsToList line session)}\n";
    variables = cfg.sessionVariables;
    profileRelativeEnvVars = cfg.profileRelativeSessionVariables;
  };
}
