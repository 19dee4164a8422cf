{ nixpkgs, pkgs, lib, fields }:
let
  inherit (fields) entries paths;
  attributes = derivation: names: lib.genAttrs names (name: derivation.drvAttrs.${name});
  text = derivation: derivation.drvAttrs.text;
  lines = derivation: lib.filter (line: line != "") (lib.splitString "\n" (builtins.unsafeDiscardStringContext (text derivation)));
in
{
  writeText = { expr = attributes (pkgs.writeText "a" "b") [ "name" "builder" "text" "destination" "executable" ]; expected = { name = "a"; builder = "builtin:text"; text = "b"; destination = ""; executable = ""; }; };
  writeTextDir = { expr = attributes (pkgs.writeTextDir "share/a" "b") [ "name" "destination" ]; expected = { name = "a"; destination = "/share/a"; }; };
  writeScript = { expr = (pkgs.writeScript "a" "b").drvAttrs.executable; expected = "1"; };
  writeShellScriptBin = { expr = (pkgs.writeShellScriptBin "a" "b").drvAttrs.destination; expected = "/bin/a"; };
  writeShellScriptShebang = { expr = lib.hasSuffix "/bin/bash" (lib.head (lines (pkgs.writeShellScript "a" "b"))); expected = true; };
  writeTextContext = { expr = builtins.hasContext (text (pkgs.writeText "a" "${pkgs.hello}")); expected = true; };
  badDestination = { expr = (pkgs.writeTextFile { name = "a"; text = ""; destination = "a"; }).outPath; fails = true; };
  checkedText = { expr = (pkgs.writeTextFile { name = "a"; text = ""; checkPhase = "true"; }).drvAttrs.builder != "builtin:text"; expected = true; };
  application = {
    expr = lib.drop 1 (lines (pkgs.writeShellApplication { name = "a"; text = "run"; runtimeEnv.X = "y z"; }));
    expected = [ "set -o errexit" "set -o nounset" "set -o pipefail" "X='y z'" "export X" "run" ];
  };
  applicationPath = { expr = lib.any (lib.hasInfix "-hello-") (lines (pkgs.writeShellApplication { name = "a"; text = ""; runtimeInputs = [ pkgs.hello ]; })); expected = true; };

  symlinkJoin = { expr = lib.length (paths (pkgs.symlinkJoin { name = "a"; paths = [ pkgs.hello pkgs.curl ]; })); expected = 2; };
  symlinkJoinCommand = { expr = (pkgs.symlinkJoin { name = "a"; paths = [ ]; postBuild = "x"; }).drvAttrs.builder == "builtin:env"; expected = false; };
  buildEnv = { expr = (pkgs.buildEnv { name = "a"; paths = [ pkgs.hello ]; pathsToLink = [ "/bin" ]; }).drvAttrs.pathsToLink; expected = ''["/bin"]''; };
  buildEnvOutputs = { expr = lib.length (paths (pkgs.buildEnv { name = "a"; paths = [ pkgs.hello ]; extraOutputsToInstall = [ "man" "doc" ]; })); expected = 1; };
  linkFarm = { expr = map (entry: entry.path) (entries (pkgs.linkFarm "a" [ { name = "x/y"; path = "/z"; } ])); expected = [ "x/y" ]; };
  linkFarmLast = { expr = map (entry: entry.target) (entries (pkgs.linkFarm "a" [ { name = "x"; path = "/1"; } { name = "x"; path = "/2"; } ])); expected = [ "/2" ]; };

  runCommand = { expr = (pkgs.runCommand "a" { x = 1; } "echo").drvAttrs.buildCommand; expected = "echo"; };
  runCommandNoCompiler = { expr = pkgs.stdenvNoCC.hasCC; expected = false; };
  mkDerivationName = { expr = (pkgs.stdenv.mkDerivation { pname = "a"; version = "1"; }).name; expected = "a-1"; };
  mkDerivationFinal = { expr = ((pkgs.stdenv.mkDerivation (final: { pname = "a"; version = "1"; passthru.v = final.version; })).overrideAttrs { version = "2"; }).v; expected = "2"; };
  mkDerivationOutputs = { expr = (pkgs.stdenv.mkDerivation { name = "a"; outputs = [ "out" "dev" ]; }).dev.outputName; expected = "dev"; };
  mkDerivationEnv = { expr = (pkgs.stdenv.mkDerivation { name = "a"; env.A = "b"; }).drvAttrs.A; expected = "b"; };
  mkDerivationEnvTwice = { expr = (pkgs.stdenv.mkDerivation { name = "a"; A = "c"; env.A = "b"; }).name; fails = true; };
  mkDerivationInputs = { expr = lib.length (pkgs.stdenv.mkDerivation { name = "a"; buildInputs = [ pkgs.zlib null [ pkgs.openssl ] ]; }).drvAttrs.buildInputs; expected = 2; };

  replaceVars = { expr = text (pkgs.replaceVars ./template.in { name = "x"; other = 1; }); expected = "a x b 1\n"; };
  replaceVarsMissing = { expr = text (pkgs.replaceVars ./template.in { name = "x"; other = 1; third = 2; }); fails = true; };
  replaceVarsLeft = { expr = text (pkgs.replaceVars ./template.in { name = "x"; }); fails = true; };
  substituteAll = { expr = text (pkgs.substituteAll { src = ./template.in; name = "n"; other = "o"; }); expected = "a n b o\n"; };

  fetchurl = { expr = attributes (pkgs.fetchurl { url = "mirror://gnu/a/b.tar"; hash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; }) [ "name" "url" "outputHashMode" ]; expected = { name = "b.tar"; url = "https://ftp.gnu.org/gnu/a/b.tar"; outputHashMode = "flat"; }; };
  fetchurlTwoHashes = { expr = (pkgs.fetchurl { url = "x"; hash = "a"; sha256 = "b"; }).outPath; fails = true; };
  fetchFromGitHub = { expr = lib.head (pkgs.fetchFromGitHub { owner = "a"; repo = "b"; tag = "v1"; hash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; }).urls; expected = "https://github.com/a/b/archive/refs/tags/v1.tar.gz"; };

  desktopItem = { expr = lines (pkgs.makeDesktopItem { name = "a"; desktopName = "A"; exec = "a %u"; terminal = false; categories = [ "X" "Y" ]; }); expected = [ "[Desktop Entry]" "Type=Application" "Version=1.5" "Name=A" "Exec=a %u" "Terminal=false" "Categories=X;Y;" ]; };
  desktopItemWithoutExec = { expr = (pkgs.makeDesktopItem { name = "a"; desktopName = "A"; }).outPath; fails = true; };
  autostart = { expr = map (entry: [ entry.path (lib.hasSuffix "/share/applications/firefox.desktop" entry.target) ]) (entries (pkgs.makeAutostartItem { name = "firefox"; package = pkgs.firefox; })); expected = [ [ "etc/xdg/autostart/firefox.desktop" true ] ]; };

  writePython = { expr = lib.hasSuffix "/bin/python3.13" (lib.head (lines (pkgs.writers.writePython3 "a" { flakeIgnore = [ "E" ]; } "pass"))); expected = true; };
  writePythonBin = { expr = (pkgs.writers.writePython3Bin "a" { } "pass").drvAttrs.destination; expected = "/bin/a"; };
  writeBashShort = { expr = lib.last (lines (pkgs.writers.writeBash "a" "run")); expected = "run"; };
  writeJSON = { expr = text (pkgs.writers.writeJSON "a" { b = [ 1 ]; }); expected = ''{"b":[1]}''; };
  setupHook = { expr = lib.head (map (entry: entry.text) (entries (pkgs.makeSetupHook { name = "a"; substitutions = { name = "x"; }; } ./template.in))); expected = "a x b @other@\n"; };
  dockerTools = { expr = pkgs.dockerTools.buildImage { }; fails = true; };
}
