{ lib }:
let
  deep = { a.b.c = 1; a.x = 2; l = [ 1 ]; };
in
{
  attrByPath = { expr = [ (lib.attrByPath [ "a" "b" "c" ] 0 deep) (lib.attrByPath [ "a" "z" ] 0 deep) (lib.attrByPath [ "l" "b" ] 0 deep) ]; expected = [ 1 0 0 ]; };
  hasAttrByPath = { expr = [ (lib.hasAttrByPath [ "a" "b" ] deep) (lib.hasAttrByPath [ "a" "q" ] deep) (lib.hasAttrByPath [ ] deep) ]; expected = [ true false true ]; };
  longestPrefix = { expr = lib.attrsets.longestValidPathPrefix [ "a" "b" "z" ] deep; expected = [ "a" "b" ]; };
  setAttrByPath = { expr = lib.setAttrByPath [ "a" "b" ] 3; expected = { a.b = 3; }; };
  getAttrFromPathMissing = { expr = lib.getAttrFromPath [ "a" ] { a = throw "no"; }; fails = true; };
  recursiveUpdate = { expr = lib.recursiveUpdate deep { a.b = { d = 4; }; l = [ ]; }; expected = { a.b = { c = 1; d = 4; }; a.x = 2; l = [ ]; }; };
  recursiveUpdateUntil = {
    expr = lib.recursiveUpdateUntil (path: _: _: path == [ "a" ]) deep { a = { y = 1; }; };
    expected = { a.y = 1; l = [ 1 ]; };
  };
  filterAttrs = { expr = lib.filterAttrs (n: v: n == "a" || v == 2) { a = 1; b = 2; c = 3; }; expected = { a = 1; b = 2; }; };
  filterAttrsRecursive = { expr = lib.filterAttrsRecursive (_: v: v != null) { a = null; b = { c = null; d = 1; }; }; expected = { b.d = 1; }; };
  foldlAttrs = { expr = lib.foldlAttrs (acc: n: v: acc + n + toString v) "" { a = 1; b = 2; }; expected = "a1b2"; };
  foldAttrs = { expr = lib.foldAttrs (x: acc: [ x ] ++ acc) [ ] [ { a = 2; } { a = 3; b = 1; } ]; expected = { a = [ 2 3 ]; b = [ 1 ]; }; };
  collect = { expr = lib.collect lib.isList { a = [ 1 ]; b.c = [ 2 ]; d = 3; }; expected = [ [ 1 ] [ 2 ] ]; };
  product = { expr = lib.cartesianProduct { a = [ 1 2 ]; b = [ 3 ]; }; expected = [ { a = 1; b = 3; } { a = 2; b = 3; } ]; };
  mapPrime = { expr = lib.mapAttrs' (n: v: lib.nameValuePair "x${n}" (v + 1)) { a = 1; }; expected = { xa = 2; }; };
  recursiveMap = { expr = lib.mapAttrsRecursive (p: v: lib.concatStringsSep "-" p + toString v) { a.b = 1; c = 2; }; expected = { a.b = "a-b1"; c = "c2"; }; };
  concatMapAttrs = { expr = lib.concatMapAttrs (n: v: { ${n} = v; "${n}2" = v; }) { a = 1; }; expected = { a = 1; a2 = 1; }; };
  genAttrs = { expr = lib.genAttrs [ "a" "b" ] (n: n + n); expected = { a = "aa"; b = "bb"; }; };
  mergeList = { expr = lib.mergeAttrsList [ { a = 1; b = 1; } { b = 2; } { c = 3; } ]; expected = { a = 1; b = 2; c = 3; }; };
  zip = { expr = lib.zipAttrs [ { a = 1; } { a = 2; b = 3; } ]; expected = { a = [ 1 2 ]; b = [ 3 ]; }; };
  match = { expr = [ (lib.matchAttrs { a.b = 1; } { a = { b = 1; c = 2; }; }) (lib.matchAttrs { a = 1; } { }) ]; expected = [ true false ]; };
  overrideExisting = { expr = lib.overrideExisting { a = 1; b = 2; } { b = 3; c = 4; }; expected = { a = 1; b = 3; }; };
  updateMany = {
    expr = lib.updateManyAttrsByPath [
      { path = [ "a" "b" ]; update = old: { d = old.c; }; }
      { path = [ "x" "xy" ]; update = _: "xy"; }
    ] { a.b.c = 0; };
    expected = { a.b.d = 0; x.xy = "xy"; };
  };
  outputs = {
    expr = [ (lib.getBin { outPath = "/o"; bin = "/b"; }) (lib.getLib { out = "/o"; }) (lib.getMan { out = "/o"; man = "/m"; outputSpecified = true; }) ];
    expected = [ "/b" "/o" { out = "/o"; man = "/m"; outputSpecified = true; } ];
  };
  disjoint = { expr = (lib.unionOfDisjoint { a = 1; } { a = 2; }).a; fails = true; };
  showPath = { expr = lib.showAttrPath [ "a" "b.c" "1" ]; expected = "a.\"b.c\".\"1\""; };
}
