{ lib }:
let inherit (lib) fix; in
{
  pipe = { expr = lib.pipe 2 [ (x: x + 1) (x: x * 10) ]; expected = 30; };
  flip = { expr = lib.flip lib.const 1 2; expected = 2; };
  modNegative = { expr = lib.mod (-7) 3; expected = -1; };
  hex = { expr = map lib.toHexString [ 0 9 255 4096 ]; expected = [ "0" "9" "FF" "1000" ]; };
  fromHex = { expr = map lib.fromHexString [ "FF" "ff" "0x10" ]; expected = [ 255 255 16 ]; };
  fromHexBad = { expr = lib.fromHexString "xyz"; fails = true; };
  base = { expr = lib.toBaseDigits 2 6; expected = [ 1 1 0 ]; };
  compare = { expr = [ (lib.compare 1 2) (lib.compare 2 2) (lib.compare 3 2) ]; expected = [ (-1) 0 1 ]; };
  functionArgs = { expr = lib.functionArgs (lib.setFunctionArgs (x: x) { a = true; }); expected = { a = true; }; };
  functor = { expr = [ (lib.isFunction { __functor = _: x: x; }) (lib.isFunction { }) ]; expected = [ true false ]; };
  checkEnum = { expr = lib.checkListOfEnum "x" [ 1 2 ] [ 3 ] null; fails = true; };
  throwIf = { expr = lib.throwIf true "no" 1; fails = true; };
  throwIfNot = { expr = lib.throwIfNot true "no" 1; expected = 1; };

  extends = {
    expr = fix (lib.extends (final: prev: { b = prev.a + 1; c = final.b; }) (_: { a = 1; b = 0; }));
    expected = { a = 1; b = 2; c = 2; };
  };
  composeMany = {
    expr = lib.composeManyExtensions [ (f: p: { a = p.a + 1; }) (f: p: { a = p.a * 10; b = f.a; }) ] { a = 20; } { a = 1; };
    expected = { a = 20; b = 20; };
  };
  extensible = {
    expr = removeAttrs ((lib.makeExtensible (self: { a = 1; b = self.a; })).extend (f: p: { a = 5; })) [ "extend" "__unfix__" ];
    expected = { a = 5; b = 5; };
  };
  toExtension = { expr = map (f: lib.toExtension f { x = 1; } { y = 2; }) [ { z = 3; } (p: { z = p.y; }) (f: p: { z = f.x; }) ]; expected = [ { z = 3; } { z = 2; } { z = 1; } ]; };
  versions = {
    expr = [ (lib.versions.majorMinor "1.2.3") (lib.versions.pad 3 "1-rc1") (lib.versionOlder "1.2" "1.10") (lib.versionAtLeast "2" "2") ];
    expected = [ "1.2" "1.0.0-rc1" true true ];
  };
}
