{ lib }:
let
  pkgs = { a = 1; b = 2; };
  made = lib.makeOverridable ({ x ? 1, y ? 2 }: { sum = x + y; }) { };
in
{
  callPackage = { expr = (lib.callPackageWith pkgs ({ a, c ? 5 }: { v = a + c; }) { }).v; expected = 6; };
  callPackageArgs = { expr = (lib.callPackageWith pkgs ({ a, b }: { v = a + b; }) { a = 10; }).v; expected = 12; };
  callPackageMissing = { expr = lib.callPackageWith pkgs ({ aa }: { }) { }; fails = true; };
  override = { expr = [ made.sum (made.override { x = 5; }).sum ((made.override { x = 5; }).override (old: { y = old.x; })).sum ]; expected = [ 3 7 10 ]; };
  overrideArgs = { expr = lib.functionArgs made.override; expected = { x = true; y = true; }; };
  scope = {
    expr =
      let scope = lib.makeScope (scope: lib.callPackageWith (pkgs // scope)) (self: { c = self.callPackage ({ a }: { v = a; }) { }; d = self.callPackage ({ c }: { v = c.v + 1; }) { }; });
      in [ scope.d.v (scope.overrideScope (f: p: { c = { v = 10; }; })).d.v ];
    expected = [ 2 11 ];
  };
  exe = {
    expr = [ (lib.getExe { type = "derivation"; outPath = "/p"; name = "n-1"; meta.mainProgram = "prog"; }) (lib.getExe' { type = "derivation"; outPath = "/p"; bin = "/b"; } "x") ];
    expected = [ "/p/bin/prog" "/b/bin/x" ];
  };
  exeSlash = { expr = lib.getExe' { type = "derivation"; outPath = "/p"; } "a/b"; fails = true; };
  lazy = { expr = (lib.lazyDerivation { derivation = throw "not made"; meta = { x = 1; }; passthru = { y = 2; }; }).y; expected = 2; };
}
