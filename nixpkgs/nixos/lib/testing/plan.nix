# A test as the data that the rest of the program runs: `plan::Test`.
{ config, options, lib, ... }:
let
  references = text:
    if !builtins.hasContext text then [ ]
    else
      let
        found = builtins.split "(${builtins.storeDir}/[0-9a-z]{32}-[0-9a-zA-Z+._?=-]+)" text;
        paths = lib.unique (map lib.head (lib.filter lib.isList found));
      in
      # A path keeps what it depends on.
      map (lib.addContextFrom text) paths;

  scriptText = config.testScriptString;
  position =
    let found = lib.filter (p: p != null) options.testScript.positions; in
    if found == [ ] then null else { inherit (lib.head found) file line column; };

  # In the order of node numbers.
  names = lib.attrNames config.nodes;

  node = name:
    let
      machine = config.nodes.${name};
      system = machine.snowglobe.system;
    in
    {
      inherit name;
      number = machine.virtualisation.test.nodeNumber;
      hostName = machine.networking.hostName;
      system = {
        toplevel = "${machine.system.build.toplevel}";
        inherit (system) etc users groups wrappers kernel fileSystems initrdCommands debianPackages;
        activation = if system.activation == null then null else "${system.activation}";
      };
      inherit (machine.snowglobe) hardware interfaces snapshot;
    };

  # Refused options fail here, since every use of a test passes by.
  checked = value:
    lib.seq config.sshBackdoor.enable (lib.seq config.enableDebugHook (lib.seq config.containers value));

  badNames = lib.filter (name: builtins.match "[a-zA-Z0-9_-]+" name == null) names;
in
{
  config.plan = lib.throwIf (badNames != [ ]) "The machine name `${lib.head badNames}' in test `${config.name}' is not possible: names consist of letters, digits, `-' and `_'." (checked {
    inherit (config) name;
    attrPath = [ ];
    nodes = map node names;
    vlans = lib.sort lib.lessThan (lib.unique (lib.concatMap
      (name: map (interface: interface.vlan) config.nodes.${name}.snowglobe.interfaces)
      names));
    script = {
      text = scriptText;
      inherit position;
      inherit (config) skipLint skipTypeCheck;
      pythonPackages = map (pkg: "${pkg}") (config.extraPythonPackages (config.hostPkgs.python3Packages or { }));
      references = references scriptText;
    };
    inherit (config) globalTimeout;
    enableOcr = config.enableOCR;
    forceAccel = config.qemu.forceAccel;
    warnings = lib.concatMap (name: map (text: "${name}: ${text}") config.nodes.${name}.warnings) names;
  });
}
