{ lib }:
{
  uniqList = { expr = lib.uniqList { inputList = [ 1 2 1 3 2 ]; acc = [ 3 ]; }; expected = [ 3 1 2 ]; };
  closePropagation = { expr = map (p: p.outPath) (lib.closePropagation [ { outPath = "a"; propagatedBuildInputs = [ { outPath = "b"; } null ]; } { outPath = "b"; } null ]); expected = [ "a" "b" ]; };
  globs = {
    expr =
      let
        chosen = globs: type: builtins.filter (name: (lib.sources.sourceByGlobs ../. globs).filter "${toString ../.}/${name}" type);
        names = [ "types.nix" "trivial.nix" "lists.nix" "tests/run.nix" "tests/deep/x" "tests" "other" ];
      in
      [ (chosen [ "t*.nix" "tests/**" ] "regular" names) (chosen [ "**/run.nix" ] "regular" names) (chosen [ "tests/*.nix" ] "directory" names) ];
    expected = [ [ "types.nix" "trivial.nix" "tests/run.nix" "tests/deep/x" ] [ "tests/run.nix" ] [ "tests/run.nix" "tests" ] ];
  };
  foldr = { expr = lib.foldr (x: acc: x + acc) "" [ "a" "b" ]; expected = "ab"; };
  foldl = { expr = lib.foldl (acc: x: acc + x) "z" [ "a" "b" ]; expected = "zab"; };
  imap = { expr = lib.imap1 (n: x: "${toString n}${x}") [ "a" "b" ]; expected = [ "1a" "2b" ]; };
  flatten = { expr = lib.flatten [ 1 [ 2 [ 3 ] ] 4 ]; expected = [ 1 2 3 4 ]; };
  findFirst = { expr = map (n: lib.findFirst (x: x > n) null [ 1 2 3 ]) [ 0 2 3 ]; expected = [ 1 3 null ]; };
  findFirstIndex = { expr = map (n: lib.lists.findFirstIndex (x: x == n) null [ 5 6 ]) [ 5 6 7 ]; expected = [ 0 1 null ]; };
  findSingle = { expr = lib.findSingle (x: x == 3) "none" "several" [ 3 3 ]; expected = "several"; };
  range = { expr = [ (lib.range 2 4) (lib.range 3 2) ]; expected = [ [ 2 3 4 ] [ ] ]; };
  sublist = { expr = [ (lib.sublist 1 2 [ 1 2 3 4 ]) (lib.take 9 [ 1 ]) (lib.drop 1 [ 1 2 ]) (lib.takeEnd 2 [ 1 2 3 ]) (lib.dropEnd 2 [ 1 2 3 ]) ]; expected = [ [ 2 3 ] [ 1 ] [ 2 ] [ 2 3 ] [ 1 ] ]; };
  lastOfEmpty = { expr = lib.last [ ]; fails = true; };
  init = { expr = lib.init [ 1 2 3 ]; expected = [ 1 2 ]; };
  unique = { expr = [ (lib.unique [ 3 1 3 2 1 ]) (lib.unique [ "b" "a" "b" ]) ]; expected = [ [ 3 1 2 ] [ "b" "a" ] ]; };
  sets = { expr = [ (lib.intersectLists [ 1 2 ] [ 3 2 ]) (lib.subtractLists [ 1 ] [ 1 2 1 ]) (lib.mutuallyExclusive [ 1 ] [ 2 ]) ]; expected = [ [ 2 ] [ 2 ] true ]; };
  natural = { expr = lib.naturalSort [ "disk11" "disk8" "disk100" "disk" ]; expected = [ "disk" "disk8" "disk11" "disk100" ]; };
  sortOn = { expr = lib.sortOn builtins.stringLength [ "aaa" "b" "cc" "d" ]; expected = [ "b" "d" "cc" "aaa" ]; };
  compareLists = { expr = [ (lib.compareLists lib.compare [ 1 2 ] [ 1 ]) (lib.compareLists lib.compare [ 1 2 ] [ 2 ]) ]; expected = [ 1 (-1) ]; };
  toposort = { expr = lib.toposort (a: b: a < b) [ 3 2 1 ]; expected = { result = [ 1 2 3 ]; }; };
  cycle = { expr = lib.toposort (a: b: true) [ 1 2 ] ? cycle; expected = true; };
  cross = { expr = lib.mapCartesianProduct ({ a, b }: a + b) { a = [ "1" "2" ]; b = [ "x" ]; }; expected = [ "1x" "2x" ]; };
  groupBy = { expr = lib.groupBy' builtins.add 0 (x: if x > 2 then "big" else "small") [ 1 2 3 ]; expected = { big = 3; small = 3; }; };
  zip = { expr = lib.zipListsWith (a: b: a + b) [ 1 2 ] [ 10 20 30 ]; expected = [ 11 22 ]; };
  commonPrefix = { expr = lib.lists.commonPrefix [ 1 2 3 ] [ 1 2 4 ]; expected = [ 1 2 ]; };
  replace = { expr = lib.replaceElemAt [ 1 2 3 ] 1 9; expected = [ 1 9 3 ]; };
}
