{ nixpkgs, pkgs, lib, fields }:
let
  inherit (pkgs) formats;
  text = format: value: builtins.unsafeDiscardStringContext (format.generate "x" value).drvAttrs.text;
in
{
  json = { expr = text (formats.json { }) { a = null; b = [ 1 true "x" ]; }; expected = ''{"a":null,"b":[1,true,"x"]}''; };
  yaml = { expr = text (formats.yaml { }) { a = 1; }; expected = ''{"a":1}''; };
  toml = {
    expr = text (formats.toml { }) { a = 1; b.c = [ "x" 2.5 ]; d = [ { e = 1; } { f = true; } ]; "q r"."s.t" = "u"; };
    expected = "a = 1\n\n[b]\nc = [\"x\", 2.5]\n\n[[d]]\ne = 1\n\n[[d]]\nf = true\n\n[\"q r\"]\n\"s.t\" = \"u\"\n";
  };
  tomlNull = { expr = text (formats.toml { }) { a = null; }; fails = true; };
  ini = { expr = text (formats.ini { }) { s = { a = true; b = "x"; }; }; expected = "[s]\na=true\nb=x\n"; };
  iniDuplicates = { expr = text (formats.ini { listsAsDuplicateKeys = true; }) { s.a = [ 1 2 ]; }; expected = "[s]\na=1\na=2\n"; };
  iniLists = { expr = text (formats.ini { listToValue = lib.concatMapStringsSep "," toString; }) { s.a = [ 1 2 ]; }; expected = "[s]\na=1,2\n"; };
  globalSection = { expr = text (formats.iniWithGlobalSection { }) { globalSection.a = 1; sections.s.b = 2; }; expected = "a=1\n\n[s]\nb=2\n"; };
  keyValue = { expr = text (formats.keyValue { }) { a = 1; b = false; }; expected = "a=1\nb=false\n"; };
  libconfig = { expr = text (formats.libconfig { }) { a = 1; b.c = [ 1 2 ]; }; expected = "a = 1;\nb = {\n  c = ( 1, 2 );\n};\n"; };
  hocon = { expr = text (formats.hocon { }) { a.b = "c"; }; expected = "\"a\" = {\n\"b\" = \"c\"\n}\n"; };
  properties = { expr = text (formats.javaProperties { }) { "a b" = "c:d"; e = true; }; expected = "a\\ b=c:d\ne=true\n"; };
  elixir = { expr = text (formats.elixirConf { }) { ":app".key = 1; }; expected = "import Config\n\nconfig :app, key: 1\n"; };
  lua = { expr = text (formats.lua { }) { a = [ 1 "b" ]; }; expected = "return {\n  [\"a\"] = { 1, \"b\" },\n}\n"; };
  luaBindings = { expr = text (formats.lua { asBindings = true; }) { a = true; }; expected = "a = true\n"; };
  python = { expr = text (formats.pythonVars { }) { _imports = [ "re" ]; a = [ true null ]; }; expected = "import re\na = [True, None]\n"; };
  php = { expr = text (formats.php { finalVariable = "c"; }) { a = "it's"; }; expected = "<?php\ndeclare(strict_types=1);\n$c = ['a' => 'it\\'s'];\n"; };
  xml = { expr = text (formats.xml { }) { a = { "@id" = 1; b = [ "x" "y&" ]; }; }; expected = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<a id=\"1\"><b>x</b><b>y&amp;</b></a>\n"; };
  typeRejects = { expr = (formats.toml { }).type.check null; expected = false; };
}
