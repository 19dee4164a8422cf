# `systemd.*`: units of the system's manager and its configuration.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types literalExpression;
  cfg = config.systemd;
  units = import ./lib.nix { inherit lib pkgs; };
  o = units.options;
  upstream = import ./upstream-units.nix;

  # One option for each kind of unit; `text` writes the units of that kind.
  kind =
    suffix: options: description:
    mkOption {
      type = types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            options = o.common // options;
            config.name = "${name}.${suffix}";
          }
        )
      );
      default = { };
      inherit description;
    };

  mounted =
    suffix: options: description:
    mkOption {
      type = types.listOf (
        types.submodule (
          { config, ... }:
          {
            options = o.common // options;
            config.name = "${pathName config.where}.${suffix}";
          }
        )
      );
      default = [ ];
      inherit description;
    };

  # The unit of a path, as `systemd-escape --path` names it.
  pathName = path: (import ./escape.nix { inherit lib; }).path path;

  kinds = {
    targets = kind "target" { } "Targets.";
    services = kind "service" o.service "Services.";
    sockets = kind "socket" o.socket "Sockets.";
    timers = kind "timer" o.timer "Timers.";
    paths = kind "path" o.path "Paths that are watched.";
    slices = kind "slice" o.slice "Slices.";
  };

  concreteUnits = mkOption {
    type = types.attrsOf (
      types.submodule (
        { name, config, ... }:
        {
          options = o.concrete;
          config.unit = lib.mkDefault (
            pkgs.linkFarm "unit-${lib.strings.sanitizeDerivationName name}" [
              { inherit name; path = if config.enable && config.text != null then pkgs.writeText "unit-text" config.text else "/dev/null"; }
            ]
          );
        }
      )
    );
    default = { };
    description = "Units given as the text of their files.";
  };

  defaultPath = [ pkgs.coreutils pkgs.findutils pkgs.gnugrep pkgs.gnused cfg.package ];

  render =
    { scope, globalEnvironment, mounts ? [ ], automounts ? [ ] }:
    let
      service = units.service { inherit defaultPath globalEnvironment; inherit (units) searchPath; };
      each = write: suffix: lib.mapAttrs' (name: unit: lib.nameValuePair "${name}.${suffix}" (write name unit));
      timers =
        lib.mapAttrs' (
          name: unit:
          lib.nameValuePair "${name}.timer" {
            enable = true;
            overrideStrategy = "asDropinIfExists";
            requiredBy = [ ];
            upheldBy = [ ];
            aliases = [ ];
            wantedBy = [ "timers.target" ];
            complete = true;
            text = "[Unit]\n\n[Timer]\n${units.directives { OnCalendar = unit.startAt; }}";
          }
        ) (lib.filterAttrs (name: unit: unit.startAt != [ ] && !(scope.timers ? ${name})) scope.services);
      # A service's own times are added to what is said of its timer.
      withStartAt =
        lib.mapAttrs (
          name: unit:
          let
            startAt = scope.services.${name}.startAt or [ ];
          in
          if startAt == [ ] then
            unit
          else
            unit
            // {
              wantedBy = lib.unique ([ "timers.target" ] ++ unit.wantedBy);
              timerConfig = { OnCalendar = startAt; } // unit.timerConfig;
            }
        ) scope.timers;
    in
    each units.target "target" scope.targets
    // each service "service" scope.services
    // each units.socket "socket" scope.sockets
    // each units.timer "timer" withStartAt
    // timers
    // each units.path "path" scope.paths
    // each units.slice "slice" scope.slices
    // lib.listToAttrs (map (unit: lib.nameValuePair unit.name (units.mount unit.name unit)) mounts)
    // lib.listToAttrs (map (unit: lib.nameValuePair unit.name (units.automount unit.name unit)) automounts);

  # Definitions of one unit by kind and as text are one unit.
  merge =
    rendered: given:
    rendered
    // lib.mapAttrs (
      name: unit:
      let
        other = rendered.${name};
      in
      if !(rendered ? ${name}) then
        unit // { complete = true; }
      else
        other
        // {
          enable = unit.enable && other.enable;
          text = if unit.text == null then other.text else unit.text;
          wantedBy = unit.wantedBy ++ other.wantedBy;
          requiredBy = unit.requiredBy ++ other.requiredBy;
          upheldBy = unit.upheldBy ++ other.upheldBy;
          aliases = unit.aliases ++ other.aliases;
        }
    ) given
    # What is said of a unit that is replaced is added to the new one.
    // lib.mapAttrs' (name: _: lib.nameValuePair "${name}.d/overrides.conf" (rendered.${name} // { overrideStrategy = "asDropinIfExists"; complete = true; wantedBy = [ ]; requiredBy = [ ]; upheldBy = [ ]; aliases = [ ]; })) (
      lib.filterAttrs (name: unit: unit.replace && rendered ? ${name}) given
    );

  nameSet = names: lib.listToAttrs (map (name: lib.nameValuePair name true) names);

  isDebian = package: package.builder or "" == "builtin:debian";
  # Debian's units are found where they lie; those of other packages are linked beside ours.
  foreign = lib.filter (package: !isDebian package) cfg.packages;

  folder =
    { name, entries, subdirectory }:
    let
      own = derivation {
        inherit name;
        system = pkgs.stdenv.hostPlatform.system;
        builder = "builtin:tree";
        preferLocalBuild = true;
        entries = builtins.toJSON (map (entry: if entry.type == "text" then entry // { executable = false; } else entry) entries);
      };
    in
    if foreign == [ ] then
      own
    else
      "${
        pkgs.buildEnv {
          inherit name;
          ignoreCollisions = true;
          paths = [
            (pkgs.linkFarm "${name}-own" [ { name = "lib/systemd/${subdirectory}"; path = own; } ])
          ]
          ++ foreign;
          pathsToLink = [ "/lib/systemd/${subdirectory}" ];
        }
      }/lib/systemd/${subdirectory}";

  manager = values: "[Manager]\n${units.directives values}";
in
{
  imports = [
    (lib.mkRemovedOptionModule [ "systemd" "enableCgroupAccounting" ] "systemd counts what units use by itself, as its defaults say.")
    ./light.nix
    ./masks.nix
    ./tmpfiles.nix
    ./journald.nix
    ./logind.nix
    ./user.nix
    ./coredump.nix
    ./shutdown.nix
  ];

  options.systemd = kinds // {
    package = mkOption {
      type = types.package;
      default = pkgs.systemd;
      defaultText = literalExpression "pkgs.systemd";
      description = "systemd.";
    };
    units = concreteUnits;
    packages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages that bring units.";
    };
    mounts = mounted "mount" o.mount "Mounts.";
    automounts = mounted "automount" o.automount "Automatic mounts.";
    generators = mkOption {
      type = types.attrsOf types.path;
      default = { };
      example = { systemd-gpt-auto-generator = "/dev/null"; };
      description = "Programs that make units at boot; /dev/null turns one off.";
    };
    suppressedSystemUnits = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Units of the base system that are masked.";
    };
    additionalUpstreamSystemUnits = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Units of systemd that are unmasked.";
    };
    defaultUnit = mkOption {
      type = types.str;
      default = "multi-user.target";
      description = "What the machine boots to.";
    };
    ctrlAltDelUnit = mkOption {
      type = types.str;
      default = "reboot.target";
      description = "What Ctrl-Alt-Del starts.";
    };
    globalEnvironment = mkOption {
      type = types.attrsOf (types.nullOr (types.oneOf [ types.str types.path types.package ]));
      default = { };
      description = "Environment variables of every service.";
    };
    managerEnvironment = mkOption {
      type = types.attrsOf (types.nullOr (types.oneOf [ types.str types.path types.package ]));
      default = { };
      description = "Environment variables of systemd itself.";
    };
    settings.Manager = o.section "Directives of the section `[Manager]` of system.conf.";
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Text at the end of system.conf.";
    };
    enableEmergencyMode = mkOption {
      type = types.bool;
      default = true;
      description = "Whether a failed boot ends in a shell on the console.";
    };
    enableStrictShellChecks = mkOption {
      type = types.bool;
      default = false;
      description = "Whether scripts of units are checked by shellcheck.";
    };
    watchdog = lib.genAttrs [ "device" "runtimeTime" "rebootTime" "kexecTime" ] (
      name:
      mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The watchdog's ${name}; see systemd-system.conf(5).";
      }
    );
    sleep.extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Text of sleep.conf's section `[Sleep]`.";
    };
    globalUnits = mkOption {
      type = types.raw;
      internal = true;
      description = "Names of the units that the base system brings.";
    };
    finalUnits = mkOption {
      type = types.raw;
      internal = true;
      description = "All units of the configuration, as text.";
    };
  };

  config = {
    # Strict checks would run shellcheck while the system is assembled, which runs nothing.
    snowglobe.refused =
      lib.optionalAttrs cfg.enableStrictShellChecks {
        "systemd.enableStrictShellChecks" = "shellcheck is not run over unit scripts";
      }
      // lib.mapAttrs' (
        name: _:
        lib.nameValuePair "systemd.services.${name}.enableStrictShellChecks" "shellcheck is not run over unit scripts"
      ) (lib.filterAttrs (_: service: service.enableStrictShellChecks) cfg.services)
      // lib.optionalAttrs (cfg.managerEnvironment != { }) {
        "systemd.managerEnvironment" = "the first process is started with a fixed environment; use systemd.globalEnvironment";
      };

    systemd.finalUnits = merge (render {
      scope = cfg;
      inherit (cfg) globalEnvironment mounts automounts;
    }) cfg.units;

    systemd.settings.Manager = {
      # As NixOS's systemd is built: scripts look for these words in the journal.
      StatusUnitFormat = lib.mkDefault "description";
      DefaultTimeoutStartSec = lib.mkDefault "90s";
      DefaultLimitNOFILE = lib.mkDefault "1024:524288";
      KExecWatchdogSec = lib.mkIf (cfg.watchdog.kexecTime != null) cfg.watchdog.kexecTime;
      RebootWatchdogSec = lib.mkIf (cfg.watchdog.rebootTime != null) cfg.watchdog.rebootTime;
      RuntimeWatchdogSec = lib.mkIf (cfg.watchdog.runtimeTime != null) cfg.watchdog.runtimeTime;
      WatchdogDevice = lib.mkIf (cfg.watchdog.device != null) cfg.watchdog.device;
    };

    environment.etc = {
      "systemd/system".source = folder {
        name = "system-units";
        subdirectory = "system";
        entries = units.unitEntries {
          units = cfg.finalUnits;
          known = nameSet upstream.system;
          masked =
            lib.subtractLists cfg.additionalUpstreamSystemUnits (lib.unique (cfg.maskedUnits ++ cfg.suppressedSystemUnits))
            ++ lib.optionals (!cfg.enableEmergencyMode) [ "emergency.service" "emergency.target" ];
          links = {
            "default.target" = "/usr/lib/systemd/system/${cfg.defaultUnit}";
            "ctrl-alt-del.target" = "/usr/lib/systemd/system/${cfg.ctrlAltDelUnit}";
            "getty.target.wants/getty@tty1.service" = "/usr/lib/systemd/system/getty@.service";
          }
          // lib.optionalAttrs (cfg.finalUnits ? ${cfg.defaultUnit} && !(lib.elem cfg.defaultUnit upstream.system)) {
            "default.target" = cfg.defaultUnit;
          };
        };
      };
      "systemd/system.conf".text = manager cfg.settings.Manager + cfg.extraConfig;
      "systemd/sleep.conf" = lib.mkIf (cfg.sleep.extraConfig != "") { text = "[Sleep]\n${cfg.sleep.extraConfig}"; };
    }
    // lib.mapAttrs' (name: target: lib.nameValuePair "systemd/system-generators/${name}" { source = target; mode = "direct-symlink"; }) cfg.generators;
  };
}
