# From the options of units to unit files.
{ lib, pkgs, ... }:
let
  options = import ./unit-options.nix { inherit lib; };

  optionText = value: if value == true then "true" else if value == false then "false" else toString value;

  # Directives of one section; a list repeats its directive.
  directives =
    section:
    lib.concatStrings (
      lib.concatLists (
        lib.mapAttrsToList (
          name: value: map (one: "${name}=${optionText one}\n") (if lib.isList value then value else [ value ])
        ) section
      )
    );

  section = name: values: lib.optionalString (values != { }) "\n[${name}]\n${directives values}";

  ifAny = name: list: lib.optionalAttrs (list != [ ]) { ${name} = lib.concatStringsSep " " list; };
  ifSet = name: value: lib.optionalAttrs (value != null) { ${name} = toString value; };

  unitSection =
    unit:
    ifAny "Requires" unit.requires
    // ifAny "Wants" unit.wants
    // ifAny "Upholds" unit.upholds
    // ifAny "After" unit.after
    // ifAny "Before" unit.before
    // ifAny "BindsTo" unit.bindsTo
    // ifAny "PartOf" unit.partOf
    // ifAny "Conflicts" unit.conflicts
    // ifAny "Requisite" unit.requisite
    // ifAny "OnFailure" unit.onFailure
    // ifAny "OnSuccess" unit.onSuccess
    // ifAny "Documentation" unit.documentation
    // lib.optionalAttrs (unit.description != "") { Description = unit.description; }
    // ifSet "StartLimitBurst" unit.startLimitBurst
    // ifSet "StartLimitIntervalSec" unit.startLimitIntervalSec
    // ifAny "X-Restart-Triggers" (map toString unit.restartTriggers)
    // ifAny "X-Reload-Triggers" (map toString unit.reloadTriggers)
    // unit.unitConfig;

  unitText = unit: "[Unit]\n${directives (unitSection unit)}";

  # `options` is a unit as `systemd.units` has it.
  concrete = unit: text: {
    inherit (unit) enable overrideStrategy requiredBy upheldBy wantedBy aliases;
    inherit text;
    # Whether what is defined can stand alone, or must have been meant as an addition to a unit
    # that a package brings.
    complete = true;
  };

  script =
    name: text:
    let
      # As the journal shows it.
      program = lib.replaceStrings [ "@" "\\" ":" ] [ "-" "-" "-" ] name;
    in
    "${
      pkgs.writeTextFile {
        name = "unit-script-${lib.strings.sanitizeDerivationName program}";
        executable = true;
        destination = "/bin/${program}";
        text = "#! ${pkgs.runtimeShell} -e\n${text}\n";
      }
    }/bin/${program}";

  scripts =
    name: unit:
    let
      one = directive: suffix: text: lib.optionalAttrs (text != "") { ${directive} = [ (script "${name}-${suffix}" text) ]; };
    in
    one "ExecStartPre" "pre-start" unit.preStart
    // lib.optionalAttrs (unit.script != "") {
      ExecStart = [ (script "${name}-start" unit.script + lib.optionalString (unit.scriptArgs != "") " ${unit.scriptArgs}") ];
    }
    // one "ExecStartPost" "post-start" unit.postStart
    // one "ExecReload" "reload" unit.reload
    // one "ExecStop" "pre-stop" unit.preStop
    // one "ExecStopPost" "post-stop" unit.postStop;

  # Scripts come before what `serviceConfig` says of the same directive.
  withScripts =
    name: unit:
    let
      made = scripts name unit;
    in
    unit.serviceConfig
    // lib.mapAttrs (
      directive: commands: if unit.serviceConfig ? ${directive} then lib.toList unit.serviceConfig.${directive} ++ commands else commands
    ) made;

  environmentLines =
    environment:
    lib.concatStrings (
      lib.mapAttrsToList (
        name: value: lib.optionalString (value != null) "Environment=${builtins.toJSON "${name}=${toString value}"}\n"
      ) environment
    );
in
{
  inherit options directives section unitText concrete script;

  # PATH of services: the packages, then the folders where Debian's programs look for each other.
  searchPath =
    packages:
    lib.concatStringsSep ":" (
      map (package: "${package}/bin") packages ++ map (package: "${package}/sbin") packages ++ [ "/usr/sbin" "/usr/bin" ]
    );

  service =
    { defaultPath, globalEnvironment, searchPath }:
    name: unit:
    let
      config = withScripts name unit;
      start = lib.toList (config.ExecStart or [ ]);
      path = unit.path ++ lib.optionals unit.enableDefaultPath defaultPath;
      switching =
        lib.optionalString (!unit.restartIfChanged) "X-RestartIfChanged=false\n"
        + lib.optionalString unit.reloadIfChanged "X-ReloadIfChanged=true\n"
        + lib.optionalString (!unit.stopIfChanged) "X-StopIfChanged=false\n"
        + lib.optionalString unit.notSocketActivated "X-NotSocketActivated=true\n";
      # A drop-in that only changes limits must not replace the PATH of the unit it adds to.
      addition = unit.overrideStrategy == "asDropin" || start == [ ] || lib.head start == "";
      environment =
        lib.optionalAttrs (!addition || unit.path != [ ]) { PATH = searchPath path; }
        // lib.optionalAttrs (!addition) globalEnvironment
        // unit.environment;
    in
    concrete unit ''
      ${unitText unit}
      [Service]
      ${environmentLines environment}${switching}${directives config}''
    // {
      complete = !(start == [ ] && !(config ? ExecStop)) && !(start != [ ] && lib.head start == "");
    };

  socket =
    name: unit:
    let
      config =
        lib.optionalAttrs (unit.listenStreams != [ ]) { ListenStream = unit.listenStreams ++ lib.toList (unit.socketConfig.ListenStream or [ ]); }
        // lib.optionalAttrs (unit.listenDatagrams != [ ]) { ListenDatagram = unit.listenDatagrams ++ lib.toList (unit.socketConfig.ListenDatagram or [ ]); };
      all = unit.socketConfig // config;
      listens = lib.filterAttrs (directive: _: lib.hasPrefix "Listen" directive) all;
      cleared = lib.any (value: lib.isList value && value != [ ] && lib.head value == "") (lib.attrValues listens);
    in
    concrete unit "${unitText unit}${section "Socket" all}" // { complete = listens != { } && !cleared; };

  timer = name: unit: concrete unit "${unitText unit}${section "Timer" unit.timerConfig}" // { complete = unit.timerConfig != { }; };
  path = name: unit: concrete unit "${unitText unit}${section "Path" unit.pathConfig}" // { complete = unit.pathConfig != { }; };
  slice = name: unit: concrete unit "${unitText unit}${section "Slice" unit.sliceConfig}";
  target = name: unit: concrete unit (unitText unit);

  mount =
    name: unit:
    concrete unit "${unitText unit}${
      section "Mount" (
        { What = unit.what; Where = unit.where; }
        // lib.optionalAttrs (unit.type != "") { Type = unit.type; }
        // lib.optionalAttrs (unit.options != "") { Options = unit.options; }
        // unit.mountConfig
      )
    }";

  automount = name: unit: concrete unit "${unitText unit}${section "Automount" ({ Where = unit.where; } // unit.automountConfig)}";

  # Entries of `builtin:tree` for a folder of units. `known`: names of units that the base system
  # brings, to which a definition is an addition.
  unitEntries =
    { units, known, masked, links ? { }, scope ? "system" }:
    let
      templateOf = name: let parts = builtins.match "([^@]+@)[^@]+(\\.[a-z]+)" name; in if parts == null then name else lib.concatStrings parts;
      isAddition =
        name: unit:
        !(unit.replace or false)
        && (unit.overrideStrategy == "asDropin"
        || !(unit.complete or true)
        || known ? ${name}
        || known ? ${templateOf name}
        || (templateOf name != name && units ? ${templateOf name}));
      link = path: target: { inherit path target; type = "link"; };
      dependencies = name: suffix: others: map (other: link "${other}.${suffix}/${name}" "../${name}") (lib.unique others);
      entries =
        name: unit:
        if !unit.enable then
          [ (link name "/dev/null") ]
        else
          lib.optional (unit.text or null != null) {
            path = if isAddition name unit then "${name}.d/overrides.conf" else name;
            type = "text";
            text = unit.text;
          }
          # A name must lead to a file, which for an addition is the package's.
          ++ map (alias: link alias (if isAddition name unit then "/usr/lib/systemd/${scope}/${name}" else name)) (
            lib.unique (unit.aliases or [ ])
          )
          ++ dependencies name "wants" (unit.wantedBy or [ ])
          ++ dependencies name "requires" (unit.requiredBy or [ ])
          ++ dependencies name "upholds" (unit.upheldBy or [ ]);
    in
    lib.concatLists (lib.mapAttrsToList entries units)
    ++ map (name: link name "/dev/null") (lib.filter (name: !(units ? ${name})) masked)
    ++ lib.mapAttrsToList link links;
}
