# `specialisation`: further configurations of a machine, to which it can be switched while it runs.
{ config, options, lib, extendModules, ... }:
let
  inherit (lib) mkOption types;

  same =
    {
      # They do not nest.
      specialisation = lib.mkOverride 0 { };
      system.switch.enable = lib.mkDefault true;
    }
    # It is the same machine of the test.
    // lib.optionalAttrs (options ? virtualisation && options.virtualisation ? test) {
      virtualisation.test.nodeName = lib.mkForce config.virtualisation.test.nodeName;
    };
  # Everything of the machine and what the specialisation adds.
  extended = extendModules { modules = [ same ]; };
  # The machine before the test said anything of it; only a test knows.
  bare = config._module.args.bareMachine or null;

  own = config.snowglobe.system;
  # What belongs to the system layer or the first process, which a running machine keeps.
  fixed = {
    users = "its users";
    groups = "its groups";
    wrappers = "its wrappers with other rights (security.wrappers)";
    fileSystems = "its file systems";
    initrdCommands = "the commands of its first process";
  };
  differing = name: lib.filter (part: config.specialisation.${name}.configuration.snowglobe.system.${part} != own.${part}) (lib.attrNames fixed);
in
{
  options.specialisation = mkOption {
    type = types.attrsOf (
      types.submodule (one: {
        options = {
          inheritParentConfig = mkOption {
            type = types.bool;
            default = true;
            description = "Whether the configuration adds to the machine's, rather than to nothing but the machine of the test.";
          };
          configuration = mkOption {
            type = if one.config.inheritParentConfig || bare == null then extended.type else bare;
            default = { };
            visible = "shallow";
            description = "What the specialisation adds to the machine's configuration.";
          };
        };
        config.configuration = lib.mkIf (!one.config.inheritParentConfig && bare != null) same;
      })
    );
    default = { };
    example = lib.literalExpression "{ loud.configuration.services.nginx.logError = \"stderr debug\"; }";
    description = ''
      Further configurations of the machine. A running machine is switched to one by
      `/run/current-system/specialisation/NAME/bin/switch-to-configuration test`.
    '';
  };

  config = {
    snowglobe.refused = lib.concatMapAttrs (
      name: one:
      if !one.inheritParentConfig && bare == null then
        { "specialisation.${name}.inheritParentConfig" = "outside of tests a specialisation adds to the machine's configuration"; }
      else
        lib.optionalAttrs (differing name != [ ]) {
          "specialisation.${name}" = "a machine that runs keeps ${lib.concatMapStringsSep ", " (part: fixed.${part}) (differing name)}";
        }
    ) config.specialisation;

    snowglobe.system.debianPackages = lib.concatMap (one: one.configuration.snowglobe.system.debianPackages) (lib.attrValues config.specialisation);

    system.toplevelLinks = lib.mapAttrs' (
      name: one: lib.nameValuePair "specialisation/${name}" one.configuration.system.build.toplevel
    ) config.specialisation;
  };
}
