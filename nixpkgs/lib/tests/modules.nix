# Evaluating modules: imports, priorities, properties, submodules, aliases.
{ lib }:
let
  inherit (lib) evalModules mkDefault mkForce mkIf mkMerge mkOption mkOptionDefault types;
  eval = modules: (evalModules { inherit modules; }).config;
  int = { options.a = mkOption { type = types.int; }; };
  list = { options.l = mkOption { type = types.listOf types.int; default = [ ]; }; };
  sub = { options.s = mkOption { default = { }; type = types.attrsOf (types.submodule ({ name, config, ... }: { options = { n = mkOption { default = name; }; twice = mkOption { default = config.n + config.n; }; }; })); }; };
  withAssertions = { options = { assertions = mkOption { type = types.listOf types.raw; default = [ ]; }; warnings = mkOption { type = types.listOf types.str; default = [ ]; }; }; };
in
{
  shorthand = { expr = eval [ int { a = 1; } ]; expected = { a = 1; }; };
  functions = { expr = eval [ ({ lib, config, ... }: int) ({ config, ... }: { config.a = 3; }) ]; expected = { a = 3; }; };
  priorities = { expr = map (ms: (eval ([ int ] ++ map (a: { inherit a; }) ms)).a) [ [ (mkDefault 1) 2 ] [ 1 (mkForce 2) ] [ (mkOptionDefault 1) (mkDefault 2) ] [ (lib.mkVMOverride 4) (mkForce 5) ] [ (lib.mkOverride 20 1) (lib.mkOverride 30 2) ] ]; expected = [ 2 2 2 4 1 ]; };
  conflict = { expr = (eval [ int { a = 1; } { a = 2; } ]).a; fails = true; };
  missing = { expr = (eval [ int ]).a; fails = true; };
  missingButEmpty = { expr = (evalModules { modules = [ { options = { l = mkOption { type = types.listOf types.int; }; s = mkOption { type = types.attrsOf types.int; }; n = mkOption { type = types.nullOr types.int; }; m = mkOption { type = types.submodule { options.a = mkOption { default = 3; }; }; }; }; } ]; }).config; expected = { l = [ ]; s = { }; n = null; m = { a = 3; }; }; };
  unknown = { expr = eval [ int { b = 1; } ]; fails = true; };
  unknownOff = { expr = (eval [ int { _module.check = false; a = 1; b = 1; } ]); expected = { a = 1; }; };
  ifMerge = { expr = (eval [ list { l = mkMerge [ [ 1 ] (mkIf true [ 2 ]) (mkIf false [ 3 ]) ]; } ]).l; expected = [ 1 2 ]; };
  ifPushedDown = { expr = (eval [ int list ({ config, ... }: mkIf (config.l != [ ]) { a = mkForce 1; }) { a = 2; l = [ 1 ]; } ]).a; expected = 1; };
  ifDepends = { expr = (eval [ int list ({ config, ... }: { config = mkIf (config.a > 1) { l = [ config.a ]; }; }) { a = 2; } ]).l; expected = [ 2 ]; };
  ifNotBool = { expr = (eval [ int { a = mkIf "yes" 1; } ]).a; fails = true; };
  forceInside = { expr = (eval [ int { a = 1; } { a = mkForce (mkIf true 2); } ]).a; expected = 2; };
  imports = { expr = (eval [ { imports = [ int { imports = [ { a = 4; } ]; } ]; } ]).a; expected = 4; };
  importsByArgument = { expr = ((evalModules { modules = [ int ({ extra, ... }: { imports = [ extra ]; }) ]; specialArgs.extra = { a = 5; }; }).config).a; expected = 5; };
  moduleArgs = { expr = (eval [ int ({ five, ... }: { a = five; }) { _module.args.five = 5; } ]).a; expected = 5; };
  missingArg = { expr = (eval [ int ({ six, ... }: { a = six; }) ]).a; fails = true; };
  disabled = { expr = (eval [ list { key = "k"; l = [ 1 ]; } { disabledModules = [ { key = "k"; } ]; l = [ 2 ]; } ]).l; expected = [ 2 ]; };
  once = { expr = (eval [ list { imports = [ { key = "k"; l = [ 1 ]; } { key = "k"; l = [ 1 ]; } ]; } ]).l; expected = [ 1 ]; };
  order = { expr = (eval [ list { l = [ 1 ]; imports = [ { l = [ 2 ]; } ]; } { l = [ 3 ]; } ]).l; expected = [ 2 3 1 ]; };
  unsupportedAttribute = { expr = eval [ { options = { }; foo = 1; } ]; fails = true; };
  submodule = { expr = (eval [ sub { s.x = { }; s.y.n = "q"; } ]).s; expected = { x = { n = "x"; twice = "xx"; }; y = { n = "q"; twice = "qq"; }; }; };
  submoduleFunction = { expr = (eval [ sub { s.x = { config, ... }: { n = "f"; }; } ]).s.x.twice; expected = "ff"; };
  submoduleUnknown = { expr = (eval [ sub { s.x.m = 1; } ]).s.x; fails = true; };
  submoduleAndTree = { expr = (eval [ { options.t = mkOption { type = types.submodule { options.a = mkOption { default = 1; }; }; default = { }; }; } { options.t.b = mkOption { default = 2; }; } ]).t; expected = { a = 1; b = 2; }; };
  freeform = { expr = eval [ { freeformType = types.attrsOf types.int; options.a = mkOption { default = 1; }; } { b = 2; c = mkIf false 3; } ]; expected = { a = 1; b = 2; }; };
  freeformNested = { expr = (eval [ { options.s = mkOption { type = types.submodule { freeformType = types.attrsOf types.anything; options.x.y = mkOption { default = 1; }; }; }; } { s = { x.z = 2; w = [ 1 ]; }; } ]).s; expected = { w = [ 1 ]; x = { y = 1; z = 2; }; }; };
  freeformWrong = { expr = (eval [ { freeformType = types.attrsOf types.int; } { b = "2"; } ]).b; fails = true; };
  apply = { expr = (eval [ { options.a = mkOption { default = 1; apply = x: x + 1; }; } ]).a; expected = 2; };
  readOnly = { expr = (eval [ { options.a = mkOption { default = 1; readOnly = true; }; } { a = 2; } ]).a; fails = true; };
  readOnlyOnce = { expr = (eval [ { options.a = mkOption { readOnly = true; }; } { a = 2; } ]).a; expected = 2; };
  twiceDeclared = { expr = (eval [ { options.a = mkOption { default = 1; }; } { options.a = mkOption { default = 2; }; } ]).a; fails = true; };
  bareType = { expr = (eval [ { options.a = types.int; } ]).a; fails = true; };
  valueForSet = { expr = (eval [ { options.a.b = mkOption { default = 1; }; } { a = 3; } ]); fails = true; };

  removed = { expr = (eval [ withAssertions (lib.mkRemovedOptionModule [ "old" ] "Gone.") { old = 1; } ]).assertions; expected = [ { assertion = false; message = "The option definition `old' in `${toString ./modules.nix}' no longer has any effect; please remove it.\nGone.\n"; } ]; };
  renamed = { expr = let c = eval [ withAssertions int (lib.mkRenamedOptionModule [ "old" "x" ] [ "a" ]) { old.x = 7; } ]; in [ c.a (lib.length c.warnings) ]; expected = [ 7 1 ]; };
  renamedPriority = { expr = (eval [ int (lib.mkAliasOptionModule [ "b" ] [ "a" ]) { a = 1; b = mkForce 2; } ]).a; expected = 2; };
  attributesWithPriorities = {
    expr = (eval [ { options.s = mkOption { type = types.attrsOf types.int; }; options.p = mkOption { type = types.raw; }; } ({ options, ... }: { p = lib.modules.mergeAttrDefinitionsWithPrio options.s; }) { s = { a = mkForce 1; b = mkDefault 2; }; } { s = { a = 3; b = 4; c = 5; }; } ]).p;
    expected = { a = { value = 1; highestPrio = 50; }; b = { value = 4; highestPrio = 100; }; c = { value = 5; highestPrio = 100; }; };
  };
  derived = { expr = (eval [ list { options.t = mkOption { type = types.lines; }; } ({ options, ... }: { options.u = mkOption { type = types.str; }; config.u = lib.mkDerivedConfig options.t (text: "<${text}>"); }) { t = "a"; } { t = "b"; } ]).u; expected = "<b\na>"; };
  derivedPriority = { expr = (eval [ { options.t = mkOption { type = types.lines; }; } ({ options, ... }: { options.u = mkOption { type = types.str; }; config.u = lib.mkDerivedConfig options.t (text: "<${text}>"); }) { t = mkForce "a"; } { u = "b"; } ]).u; expected = "<a>"; };
  aliasRead = { expr = (eval [ int (lib.mkAliasOptionModule [ "b" ] [ "a" ]) { a = 1; } ]).b; expected = 1; };
  changed = { expr = (eval [ withAssertions int (lib.mkChangedOptionModule [ "old" ] [ "a" ] (config: config.old * 2)) { old = 4; } ]).a; expected = 8; };
  merged = { expr = (eval [ withAssertions int (lib.mkMergedOptionModule [ [ "x" ] [ "y" ] ] [ "a" ] (config: config.x + config.y)) { x = 1; y = 2; } ]).a; expected = 3; };

  extend = { expr = ((evalModules { modules = [ list { l = [ 1 ]; } ]; }).extendModules { modules = [ { l = [ 2 ]; } ]; }).config.l; expected = [ 2 1 ]; };
  extendTwice = { expr = (((evalModules { modules = [ list ]; }).extendModules { modules = [ { l = [ 1 ]; } ]; }).extendModules { modules = [ { l = [ 2 ]; } ]; }).config.l; expected = [ 2 1 ]; };
  ownType = { expr = (eval [ ({ moduleType, ... }: { options.inner = mkOption { type = types.lazyAttrsOf moduleType; default = { }; }; }) list { inner.x.l = [ 1 ]; l = [ 2 ]; } ]).inner.x.l; expected = [ 1 2 ]; };
  class = { expr = (evalModules { class = "nixos"; modules = [ { _class = "darwin"; } ]; }).config; fails = true; };
  options = {
    expr =
      let o = (evalModules { modules = [ int { _file = "here.nix"; a = mkForce 2; } ]; }).options.a; in
      { inherit (o) value isDefined highestPrio files definitions loc; type = o.type.name; };
    expected = { value = 2; isDefined = true; highestPrio = 50; files = [ "here.nix" ]; definitions = [ 2 ]; loc = [ "a" ]; type = "int"; };
  };
  position = {
    expr = let p = lib.head (evalModules { modules = [ int { a = 1; } ]; }).options.a.positions; in [ (baseNameOf p.file) (p.line > 1) ];
    expected = [ "modules.nix" true ];
  };
  preload = {
    expr =
      let preloaded = lib.modules.preload [ list ({ who, ... }: { l = [ who ]; }) ];
      in map (who: (lib.modules.evalPreloaded { inherit preloaded; implicit = { inherit who; }; }).config.l) [ 1 2 ];
    expected = [ [ 1 ] [ 2 ] ];
  };
  docs = {
    expr = map (d: { inherit (d) name type; default = d.default.text or null; })
      (lib.filter (d: lib.head d.loc != "_module") (lib.optionAttrSetToDocList (evalModules { modules = [ sub { options.z = lib.mkEnableOption "z"; } ]; }).options));
    expected = [
      { name = "s"; type = "attribute set of (submodule)"; default = "{ }"; }
      { name = "s.<name>.n"; type = "unspecified value"; default = "\"‹name›\""; }
      { name = "s.<name>.twice"; type = "unspecified value"; default = "\"‹name›‹name›\""; }
      { name = "z"; type = "boolean"; default = "false"; }
    ];
  };
}
