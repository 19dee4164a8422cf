# Which values types take, and how definitions of them merge.
{ lib }:
let
  inherit (lib) mkOption types;
  # The value of one option of a type with some definitions.
  merge = type: values:
    (lib.evalModules { modules = [{ options.x = mkOption { inherit type; }; }] ++ map (x: { inherit x; }) values; }).config.x;
  ok = type: values: expected: { expr = merge type values; inherit expected; };
  bad = type: values: { expr = merge type values; fails = true; };
  package = { type = "derivation"; outPath = "/nix/store/00000000000000000000000000000000-p"; name = "p"; };
in
{
  bool = ok types.bool [ true true ] true;
  boolConflict = bad types.bool [ true false ];
  int = ok types.int [ 3 ] 3;
  intString = bad types.int [ "3" ];
  positive = bad types.ints.positive [ 0 ];
  between = ok (types.ints.between 1 3) [ 3 ] 3;
  port = bad types.port [ 65536 ];
  number = ok types.number [ 1.5 ] 1.5;
  str = bad types.str [ "a" "b" ];
  strSame = ok types.str [ "a" "a" ] "a";
  nonEmptyStr = bad types.nonEmptyStr [ " " ];
  singleLine = ok types.singleLineStr [ "a\n" ] "a";
  matching = ok (types.strMatching "[a-z]+") [ "abc" ] "abc";
  notMatching = bad (types.strMatching "[a-z]+") [ "ABC" ];
  # Later modules come first.
  lines = ok types.lines [ "a" "b" ] "b\na";
  commas = ok types.commas [ "a" "b" ] "b,a";
  listOf = ok (types.listOf types.int) [ [ 1 ] [ 2 3 ] ] [ 2 3 1 ];
  listOrder = ok (types.listOf types.str) [ (lib.mkAfter [ "z" ]) (lib.mkBefore [ "a" ]) [ "m" ] ] [ "a" "m" "z" ];
  listElementIf = ok (types.listOf types.int) [ [ (lib.mkIf false 1) (lib.mkIf true 2) ] ] [ 2 ];
  nonEmptyList = bad (types.nonEmptyListOf types.int) [ [ ] ];
  attrsOf = ok (types.attrsOf types.int) [ { a = 1; } { b = 2; c = lib.mkIf false 3; } ] { a = 1; b = 2; };
  attrsOfOverride = ok (types.attrsOf types.int) [ { a = 1; } { a = lib.mkForce 2; } ] { a = 2; };
  lazyAttrs = ok (types.lazyAttrsOf types.int) [ { a = 1; b = throw "never"; } { } ] null // { expr = (merge (types.lazyAttrsOf types.int) [ { a = 1; b = throw "never"; } ]).a; expected = 1; };
  nullOr = ok (types.nullOr types.int) [ null null ] null;
  nullOrBoth = bad (types.nullOr types.int) [ null 1 ];
  either = ok (types.either types.int types.str) [ "a" ] "a";
  eitherNone = bad (types.either types.int types.str) [ true ];
  oneOf = ok (types.oneOf [ types.int types.str types.bool ]) [ true ] true;
  enum = ok (types.enum [ "a" 1 null ]) [ null ] null;
  enumNone = bad (types.enum [ "a" ]) [ "b" ];
  coerced = ok (types.coercedTo types.int toString types.str) [ 3 ] "3";
  coercedSub = ok (types.coercedTo types.str (n: { inherit n; }) (types.submodule { options.n = mkOption { type = types.str; }; })) [ "x" ] { n = "x"; };
  functionTo = { expr = merge (types.functionTo (types.listOf types.int)) [ (x: [ x ]) (x: [ (x + 1) ]) ] 1; expected = [ 2 1 ]; };
  raw = bad types.raw [ 1 2 ];
  anything = ok types.anything [ { a.b = 1; } { a.c = [ 1 ]; } ] { a = { b = 1; c = [ 1 ]; }; };
  anythingConflict = bad types.anything [ 1 "a" ];
  attrs = ok types.attrs [ { a = 1; } { a = 2; } ] { a = 1; };
  path = ok types.path [ "/a" ] "/a";
  relativePath = bad types.path [ "a" ];
  package = ok types.package [ package ] package;
  notPackage = bad types.package [ "/tmp" ];
  uniq = bad (types.uniq (types.listOf types.int)) [ [ 1 ] [ 1 ] ];
  tag = ok (types.attrTag { a = mkOption { type = types.int; }; b = mkOption { type = types.str; }; }) [ { a = 1; } ] { a = 1; };
  tagWrong = bad (types.attrTag { a = mkOption { type = types.int; }; }) [ { c = 1; } ];
  deferred = {
    expr = (lib.evalModules { modules = [ { options.v = mkOption { }; } (merge types.deferredModule [ { v = 1; } ]) ]; }).config.v;
    expected = 1;
  };
  json = ok types.json [ { a = [ 1 "x" null { b = true; } ]; } ] { a = [ 1 "x" null { b = true; } ]; };
  description = {
    expr = map (t: t.description) [ (types.listOf (types.attrsOf types.int)) (types.nullOr types.str) (types.either types.bool (types.listOf types.str)) (types.enum [ "a" "b" ]) ];
    expected = [ "list of attribute set of signed integer" "null or string" "boolean or list of string" "one of \"a\", \"b\"" ];
  };
  typeMerge = {
    expr = (lib.evalModules { modules = [
      { options.e = mkOption { type = types.enum [ "a" ]; }; }
      { options.e = mkOption { type = types.enum [ "b" ]; }; }
      { e = "b"; }
    ]; }).config.e;
    expected = "b";
  };
  submoduleMerge = {
    expr = (lib.evalModules { modules = [
      { options.s = mkOption { type = types.attrsOf (types.submodule { options.a = mkOption { default = 1; }; }); default = { }; }; }
      { options.s = mkOption { type = types.attrsOf (types.submodule { options.b = mkOption { default = 2; }; }); }; }
      { s.x.a = 5; }
    ]; }).config.s;
    expected.x = { a = 5; b = 2; };
  };
}
