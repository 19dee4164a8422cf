{ lib }:
{
  affixes = {
    expr = [ (lib.hasPrefix "ab" "abc") (lib.hasSuffix "bc" "abc") (lib.hasInfix "b" "abc") (lib.hasInfix "" "") (lib.hasInfix "x" "abc") (lib.removePrefix "a" "abc") (lib.removeSuffix "c" "abc") (lib.removePrefix "x" "abc") ];
    expected = [ true true true true false "bc" "ab" "abc" ];
  };
  split = { expr = [ (lib.splitString "." "a.b.") (lib.splitString "" "ab") (lib.splitString "-" "") ]; expected = [ [ "a" "b" "" ] [ "" "a" "b" "" ] [ "" ] ]; };
  shell = { expr = lib.escapeShellArgs [ "a b" "it's" "plain-1" "" ]; expected = "'a b' 'it'\\''s' plain-1 ''"; };
  regex = { expr = lib.escapeRegex "[^a-z]*"; expected = "\\[\\^a-z]\\*"; };
  nixString = { expr = lib.strings.escapeNixString "a\"b\${c}"; expected = "\"a\\\"b\\\${c}\""; };
  identifier = { expr = map lib.strings.escapeNixIdentifier [ "a-b" "1a" "if" "a.b" ]; expected = [ "a-b" "\"1a\"" "\"if\"" "\"a.b\"" ]; };
  url = { expr = lib.escapeURL "a b/ä?"; fails = false; expected = "a%20b%2Fä%3F"; };
  xml = { expr = lib.escapeXML "<a href='\"'>&"; expected = "&lt;a href=&apos;&quot;&apos;&gt;&amp;"; };
  cases = { expr = [ (lib.toUpper "aß1") (lib.toLower "ABC") (lib.toSentenceCase "hELLO") (lib.toCamelCase "hello-big_world") ]; expected = [ "Aß1" "abc" "Hello" "helloBigWorld" ]; };
  trim = { expr = lib.trim " \n a b\t"; expected = "a b"; };
  trimOne = { expr = lib.trimWith { end = true; } " a "; expected = " a"; };
  width = { expr = [ (lib.fixedWidthNumber 4 42) (lib.fixedWidthString 3 "x" "a") ]; expected = [ "0042" "xxa" ]; };
  tooWide = { expr = lib.fixedWidthString 1 "x" "abc"; fails = true; };
  toInt = { expr = map lib.toInt [ "7" " -3 " "0" ]; expected = [ 7 (-3) 0 ]; };
  octal = { expr = lib.toInt "007"; fails = true; };
  toIntBase10 = { expr = map lib.toIntBase10 [ "007" "-3" "00" ]; expected = [ 7 (-3) 0 ]; };
  notInt = { expr = lib.toInt "1.5"; fails = true; };
  searchPath = { expr = lib.makeBinPath [ "/a" "/b" ]; expected = "/a/bin:/b/bin"; };
  levenshtein = { expr = [ (lib.levenshtein "kitten" "sitting") (lib.levenshtein "" "ab") (lib.strings.levenshteinAtMost 1 "abc" "abd") ]; expected = [ 3 2 true ]; };
  common = { expr = [ (lib.strings.commonPrefixLength "abc" "abd") (lib.strings.commonSuffixLength "xbc" "abc") ]; expected = [ 2 2 ]; };
  derivationName = { expr = map lib.strings.sanitizeDerivationName [ "a b" "..x" "" "ok-1.0" ]; expected = [ "a-b" "x" "unknown" "ok-1.0" ]; };
  shellVars = { expr = lib.toShellVars { a = 1; b = [ "x y" ]; }; expected = "a=1\ndeclare -a b=('x y')"; };
  badShellVar = { expr = lib.toShellVar "1a" 1; fails = true; };
  names = { expr = [ (lib.getName "foo-1.2") (lib.getVersion { version = "3"; }) (lib.getName { pname = "p"; }) ]; expected = [ "foo" "3" "p" ]; };
  intersperse = { expr = lib.intersperse "," [ 1 2 3 ]; expected = [ 1 "," 2 "," 3 ]; };
  flags = { expr = [ (lib.mesonBool "x" true) (lib.cmakeBool "x" false) (lib.enableFeature true "y") (lib.withFeatureAs true "z" "1") ]; expected = [ "-Dx=true" "-Dx:BOOL=FALSE" "--enable-y" "--with-z=1" ]; };
}
