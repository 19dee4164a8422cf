# Tests of the core modules: what becomes of a configuration. Evaluates to the list of failures.
#
#     nix-instantiate --eval --strict nixpkgs/nixos/modules/tests/run.nix
let
  lib = import ../../../lib;
  pkgs = import ../../.. { config = { }; overlays = [ ]; };

  system = module: (import ../../lib/eval-config.nix { inherit pkgs; modules = [ module ]; }).config;
  etc = name: module: (system module).environment.etc.${name}.text;
  unit = name: module: (system module).systemd.finalUnits.${name}.text;
  lines = text: lib.filter (line: line != "") (lib.splitString "\n" text);
  has = part: text: lib.hasInfix part text;
  # Lines of a unit that begin with a word.
  directive = name: text: lib.filter (line: lib.hasPrefix "${name}=" line) (lines text);
  # Entries of a folder of units, by path.
  folder = module: lib.listToAttrs (
    map (entry: lib.nameValuePair entry.path (entry.target or entry.text)) (
      builtins.fromJSON (builtins.unsafeDiscardStringContext (system module).environment.etc."systemd/system".source.entries)
    )
  );
  user = name: module: lib.findFirst (user: user.name == name) null (system module).snowglobe.system.users;
  group = name: module: lib.findFirst (group: group.name == name) null (system module).snowglobe.system.groups;
  # Whether the system can be built at all.
  builds = module: builtins.isString (system module).system.build.toplevel.drvPath;

  service = { systemd.services.x = { serviceConfig.ExecStart = "/bin/x"; }; };

  tests = import ./systemd.nix { inherit lib pkgs unit folder directive has service system builds etc; }
    // import ./users.nix { inherit lib pkgs user group etc system builds has; }
    // import ./network.nix { inherit lib pkgs unit etc system builds has lines directive; }
    // import ./services.nix { inherit lib pkgs unit etc system builds has lines directive folder; };

  check =
    name: test:
    let
      result = builtins.tryEval (builtins.deepSeq test.expr test.expr);
    in
    if test.fails or false then
      lib.optional result.success "${name}: should have failed"
    else if !result.success then
      [ "${name}: failed" ]
    else
      lib.optional (result.value != test.expected) "${name}: ${builtins.toJSON result.value} instead of ${builtins.toJSON test.expected}";
in
lib.concatLists (lib.mapAttrsToList check tests)
