# Generators and other things that make texts.
{ lib }:
let inherit (lib) generators; in
{
  keyValue = { expr = generators.toKeyValue { } { a = 1; b = true; c = "x=y"; }; expected = "a=1\nb=true\nc=x=y\n"; };
  duplicates = { expr = generators.toKeyValue { listsAsDuplicateKeys = true; } { a = [ 1 2 ]; }; expected = "a=1\na=2\n"; };
  ini = { expr = generators.toINI { } { s = { k = "v"; }; t = { n = null; }; }; expected = "[s]\nk=v\n\n[t]\nn=null\n"; };
  globalIni = { expr = generators.toINIWithGlobalSection { } { globalSection = { a = 1; }; sections.s.b = 2; }; expected = "a=1\n\n[s]\nb=2\n"; };
  git = { expr = generators.toGitINI { user.name = "N"; remote."o.r".url = "u"; }; expected = "[remote \"o.r\"]\n\turl = \"u\"\n\n[user]\n\tname = \"N\"\n"; };
  pretty = { expr = generators.toPretty { multiline = false; } { a = [ 1 "x" null true ]; f = x: x; }; expected = "{ a = [ 1 \"x\" null true ]; f = <function>; }"; };
  lua = { expr = generators.toLua { multiline = false; } { a = [ 1 "b" ]; c = generators.mkLuaInline "f()"; }; expected = "{ [\"a\"] = { 1, \"b\" }, [\"c\"] = (f()) }"; };
  dconf = { expr = generators.toDconfINI { "a/b" = { x = "it's"; y = [ 1 2 ]; }; }; expected = "[a/b]\nx='it\\'s'\ny=@ai [1,2]\n"; };
  command = { expr = lib.cli.toGNUCommandLine { } { v = true; name = "x"; l = [ 1 2 ]; no = false; }; expected = [ "-l" "1" "-l" "2" "--name" "x" "-v" ]; };
  withDeps = {
    expr = lib.textClosureList { a = lib.stringAfter [ "b" ] "A"; b = lib.noDepEntry "B"; c = lib.stringAfter [ "a" "b" ] "C"; } [ "c" "a" ];
    expected = [ "B" "A" "C" ];
  };
  ipv6 = { expr = (lib.network.ipv6.fromString "2001:DB8::0:1/32").address; expected = "2001:db8::1"; };
  ipv6Bad = { expr = (lib.network.ipv6.fromString "2001::1::2").address; fails = true; };
  eui64 = { expr = lib.network.ipv6.mkEUI64Suffix "66:75:63:6B:20:75"; expected = "6475:63ff:fe6b:2075"; };
  subpath = { expr = [ (lib.path.subpath.join [ "a" "./b//c" ]) (lib.path.subpath.isValid "../x") ]; expected = [ "./a/b/c" false ]; };
  pathPrefix = { expr = lib.path.removePrefix /a /a/b/c; expected = "./b/c"; };
  elaborate = { expr = let p = lib.systems.elaborate "x86_64-linux"; in [ p.isLinux p.isx86_64 p.config "${p}" ]; expected = [ true true "x86_64-unknown-linux-gnu" "x86_64-linux" ]; };
}
