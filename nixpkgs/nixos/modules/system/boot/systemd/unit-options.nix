# Options of unit files, one attribute set for each kind of unit.
{ lib, ... }:
let
  inherit (lib) mkOption types;

  # Values of directives that are assigned as they are. A directive that is defined several times,
  # once as a list, is repeated in the unit file.
  directive = lib.mkOptionType {
    name = "systemd option";
    description = "boolean, number, string, path, package, or a list of these";
    check =
      value:
      let
        plain = v: lib.isString v || lib.isInt v || lib.isBool v || lib.isFloat v || lib.isPath v || lib.isDerivation v || lib.isStringLike v;
      in
      if lib.isList value then lib.all plain value else plain value;
    merge =
      loc: defs:
      if lib.any (def: lib.isList def.value) defs then
        lib.concatMap (def: lib.toList def.value) defs
      else
        lib.mergeEqualOption loc defs;
  };

  section = description: mkOption {
    type = types.attrsOf directive;
    default = { };
    inherit description;
  };

  unitName = types.str;

  names = description: mkOption {
    type = types.listOf unitName;
    default = [ ];
    inherit description;
  };

  lines = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };

  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };

  triggers = description: mkOption {
    type = types.listOf types.unspecified;
    default = [ ];
    inherit description;
  };
in
rec {
  inherit directive section;

  # What every unit has, also one given as text.
  shared = {
    enable = flag true "Whether the unit exists; if not, it is masked.";
    overrideStrategy = mkOption {
      type = types.enum [ "asDropinIfExists" "asDropin" ];
      default = "asDropinIfExists";
      description = ''
        `asDropin`: what is defined is added to the unit that a package brings, as
        `NAME.d/overrides.conf`. `asDropinIfExists`: so if a package brings one.
      '';
    };
    requiredBy = names "Units that require this one.";
    upheldBy = names "Units that keep this one running.";
    wantedBy = names "Units that want this one.";
    aliases = names "Further names of the unit.";
  };

  concrete = shared // {
    replace = mkOption {
      type = types.bool;
      default = false;
      internal = true;
      description = "Whether the text stands for the unit of that name which the base system brings.";
    };
    text = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The unit file.";
    };
    unit = mkOption {
      type = types.unspecified;
      internal = true;
      description = "The unit as a folder of its own in the store.";
    };
  };

  common = shared // {
    name = mkOption {
      type = types.str;
      internal = true;
      description = "The name of the unit with its suffix.";
    };
    description = mkOption {
      type = types.singleLineStr;
      default = "";
      description = "What the unit is, for the journal and `systemctl status`.";
    };
    documentation = names "Addresses of documents about the unit.";
    requires = names "Units that must run with this one.";
    wants = names "Units that are started with this one.";
    upholds = names "Units that are kept running while this one runs.";
    after = names "Units that this one is started after.";
    before = names "Units that this one is started before.";
    bindsTo = names "Units without which this one stops.";
    partOf = names "Units that stop and restart this one as well.";
    conflicts = names "Units that cannot run at the same time.";
    requisite = names "Units that must run already when this one is started.";
    onFailure = names "Units started when this one fails.";
    onSuccess = names "Units started when this one ends well.";
    unitConfig = section "Directives of the section `[Unit]`.";
    startLimitBurst = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "How many starts are allowed in `startLimitIntervalSec`.";
    };
    startLimitIntervalSec = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "Seconds over which starts are counted.";
    };
    restartTriggers = triggers "Values whose change restarts the unit when a system is switched to.";
    reloadTriggers = triggers "Values whose change reloads the unit when a system is switched to.";
  };

  service = {
    environment = mkOption {
      type = types.attrsOf (types.nullOr (types.oneOf [ types.str types.path types.package ]));
      default = { };
      description = "Environment variables of the service's processes.";
    };
    path = mkOption {
      type = types.listOf (types.oneOf [ types.package types.str ]);
      default = [ ];
      description = "Packages whose `bin` and `sbin` stand in the service's `PATH`.";
    };
    enableDefaultPath = flag true "Whether `PATH` also has coreutils, findutils, grep, sed and systemd.";
    enableStrictShellChecks = flag false "Whether scripts of the unit are checked by shellcheck.";
    serviceConfig = section "Directives of the section `[Service]`.";
    script = lines "Shell commands that are the service's main process.";
    scriptArgs = mkOption {
      type = types.str;
      default = "";
      description = "Arguments of `script`.";
    };
    preStart = lines "Shell commands run before the main process.";
    postStart = lines "Shell commands run after the main process was started.";
    reload = lines "Shell commands that reload the service.";
    preStop = lines "Shell commands that stop the service.";
    postStop = lines "Shell commands run after the service ended.";
    startAt = mkOption {
      type = types.coercedTo types.str lib.singleton (types.listOf types.str);
      default = [ ];
      description = "When a timer starts the service, as calendar expressions of systemd.time(7).";
    };
    restartIfChanged = flag true "Whether switching to a system restarts the service if it changed.";
    reloadIfChanged = flag false "Whether switching to a system reloads the service if it changed.";
    stopIfChanged = flag true "Whether a changed service is stopped before and started after switching.";
    notSocketActivated = flag false "Whether switching restarts the service itself rather than its socket.";
  };

  socket = {
    listenStreams = names "Stream sockets: addresses, ports or paths.";
    listenDatagrams = names "Datagram sockets: addresses, ports or paths.";
    socketConfig = section "Directives of the section `[Socket]`.";
  };

  timer.timerConfig = section "Directives of the section `[Timer]`.";
  path.pathConfig = section "Directives of the section `[Path]`.";
  slice.sliceConfig = section "Directives of the section `[Slice]`.";

  mount = {
    what = mkOption {
      type = types.str;
      example = "/dev/vdb";
      description = "What is mounted.";
    };
    where = mkOption {
      type = types.str;
      example = "/mnt";
      description = "Mount point.";
    };
    type = mkOption {
      type = types.str;
      default = "";
      description = "Type of the file system.";
    };
    options = mkOption {
      type = types.commas;
      default = "";
      description = "Mount options.";
    };
    mountConfig = section "Directives of the section `[Mount]`.";
  };

  automount = {
    where = mount.where;
    automountConfig = section "Directives of the section `[Automount]`.";
  };
}
