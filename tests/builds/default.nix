# Everything that derivations are made with, built. Each attribute's build checks what it made; `./x test --all` builds them all.
{ pkgs ? import <nixpkgs> { } }:
let
  inherit (pkgs) lib;
  # A derivation that exists if the commands pass.
  check = name: args: commands: pkgs.runCommand "check-${name}" args ''
    set -eu
    ${commands}
    touch "$out"
  '';
  program = pkgs.writeTextDir "hello.c" ''
    #include <stdio.h>
    #include "greeting.h"
    int main(void) { puts(GREETING); return 0; }
  '';
  source = pkgs.runCommand "hello-source" { } ''
    mkdir -p "$out"
    cp ${program}/hello.c "$out/"
    echo '#define GREETING "unset"' >"$out/greeting.h"
    printf '%s\n' 'hello: hello.c greeting.h' "	\$(CC) -o hello hello.c" 'install: hello' "	install -D hello \$(PREFIX)/bin/hello" 'check: hello' "	./hello | grep set" >"$out/Makefile"
  '';
in
rec {
  # -- stdenv -----------------------------------------------------------------------------------

  make = pkgs.stdenv.mkDerivation {
    pname = "hello";
    version = "1.0";
    src = source;
    outputs = [ "out" "doc" ];
    patches = [
      (pkgs.writeText "greeting.patch" ''
        --- a/greeting.h
        +++ b/greeting.h
        @@ -1 +1 @@
        -#define GREETING "unset"
        +#define GREETING "set by a patch"
      '')
    ];
    postPatch = "substituteInPlace greeting.h --replace-fail 'by a patch' 'by sed'";
    doCheck = true;
    makeFlags = [ "PREFIX=$(out)" ];
    postInstall = ''
      mkdir -p "$doc/share/doc"
      echo words >"$doc/share/doc/hello"
    '';
    meta.mainProgram = "hello";
  };
  makeRuns = check "make" { } ''
    [ "$(${lib.getExe make})" = "set by sed" ]
    [ "$(cat ${make.doc}/share/doc/hello)" = words ]
  '';

  pkgConfig = pkgs.stdenv.mkDerivation {
    name = "pkg-config-user";
    dontUnpack = true;
    nativeBuildInputs = [ pkgs.pkg-config ];
    buildInputs = [ pkgs.zlib ];
    buildPhase = ''
      cat >z.c <<'EOF'
      #include <stdio.h>
      #include <zlib.h>
      int main(void) { return printf("%s\n", zlibVersion()) < 0; }
      EOF
      $CC z.c -o z $(pkg-config --cflags --libs zlib)
    '';
    installPhase = ''install -D z "$out/bin/z"'';
  };
  pkgConfigRuns = check "pkg-config" { } ''${pkgConfig}/bin/z | grep '^1\.' '';

  cxx = pkgs.stdenv.mkDerivation {
    name = "cxx";
    dontUnpack = true;
    buildPhase = ''
      cat >a.cc <<'EOF'
      #include <iostream>
      int main() { std::cout << "c++" << std::endl; }
      EOF
      $CXX a.cc -o a
    '';
    installPhase = ''install -D a "$out/bin/a"'';
  };
  cxxRuns = check "cxx" { } ''[ "$(${cxx}/bin/a)" = c++ ]'';

  configure = pkgs.stdenv.mkDerivation {
    name = "configured";
    src = pkgs.writeTextFile {
      name = "configured-source";
      destination = "/configure";
      executable = true;
      text = ''
        #!/bin/sh
        echo "$@" >flags
        printf 'all:\n\ttrue\ninstall:\n\tmkdir -p %s\n\tcp flags %s/flags\n' "$out" "$out" >Makefile
      '';
    };
    configureFlags = [ "--with-words" ];
  };
  configureFlags = check "configure" { } ''grep -- "--prefix=${configure}.*--with-words" ${configure}/flags'';

  structured = pkgs.stdenv.mkDerivation {
    name = "structured";
    __structuredAttrs = true;
    words = [ "a b" "c" ];
    table.key = "value";
    dontUnpack = true;
    installPhase = ''
      [ "''${#words[@]}" = 2 ] && [ "''${words[0]}" = "a b" ] && [ "''${table[key]}" = value ]
      touch "$out"
    '';
  };

  passAsFile = check "pass-as-file" { long = "some text"; passAsFile = [ "long" ]; } ''[ "$(cat "$longPath")" = "some text" ] && [ -z "''${long-}" ]'';

  # -- texts and scripts ------------------------------------------------------------------------

  writers = check "writers" { } ''
    [ "$(cat ${pkgs.writeText "a" "text"})" = text ]
    [ "$(cat ${pkgs.writeTextDir "x/y" "text"}/x/y)" = text ]
    [ "$(${pkgs.writeShellScript "s" "echo script"})" = script ]
    [ "$(${pkgs.writeShellScriptBin "s" "echo bin"}/bin/s)" = bin ]
    [ "$(${lib.getExe (pkgs.writeShellApplication { name = "app"; runtimeInputs = [ pkgs.gnugrep ]; text = "echo app | grep app"; })})" = app ]
    [ "$(${pkgs.writers.writeBash "b" "echo bash"})" = bash ]
    [ "$(${pkgs.writers.writePython3 "p" { } "print('python')\n"})" = python ]
    [ "$(${pkgs.writers.writePerl "p" { } "print 'perl';"})" = perl ]
    [ "$(${pkgs.concatText "c" [ (pkgs.writeText "1" "a") (pkgs.writeText "2" "b") ]}; cat ${pkgs.concatText "c" [ (pkgs.writeText "1" "a") (pkgs.writeText "2" "b") ]})" = ab ] 2>/dev/null || [ "$(cat ${pkgs.concatText "c" [ (pkgs.writeText "1" "a") (pkgs.writeText "2" "b") ]})" = ab ]
  '';

  wrapped = pkgs.runCommand "wrapped" { nativeBuildInputs = [ pkgs.makeWrapper ]; } ''
    mkdir -p "$out/bin"
    makeWrapper ${pkgs.writeShellScript "inner" ''echo "$GREETING $1 $(command -v hello)"''} "$out/bin/outer" \
      --set GREETING hi --add-flags there --prefix PATH : ${lib.makeBinPath [ pkgs.hello ]}
    cp ${pkgs.writeShellScript "own" "echo \"own $X\""} "$out/bin/own"
    wrapProgram "$out/bin/own" --set X 1
  '';
  wrappers = check "wrappers" { } ''
    [ "$(${wrapped}/bin/outer)" = "hi there ${pkgs.hello}/bin/hello" ]
    [ "$(${wrapped}/bin/own)" = "own 1" ]
  '';

  substituted = check "substitute" { } ''
    [ "$(cat ${pkgs.substitute { src = pkgs.writeText "t" "a @x@ b"; substitutions = [ "--replace-fail" "@x@" "1" ]; }})" = "a 1 b" ]
    [ "$(cat ${pkgs.replaceVars (builtins.toFile "t" "a @x@ b") { x = 2; }})" = "a 2 b" ]
  '';

  # -- trees ------------------------------------------------------------------------------------

  trees = check "trees" { } ''
    [ -x ${pkgs.symlinkJoin { name = "j"; paths = [ pkgs.hello pkgs.curl ]; }}/bin/curl ]
    [ -x ${pkgs.symlinkJoin { name = "k"; paths = [ pkgs.hello ]; postBuild = "ln -s hello $out/bin/salut"; }}/bin/salut ]
    [ -x ${pkgs.buildEnv { name = "e"; paths = [ pkgs.hello pkgs.jq ]; pathsToLink = [ "/bin" ]; }}/bin/jq ]
    [ "$(cat ${pkgs.linkFarm "f" [ { name = "a/b"; path = pkgs.writeText "x" "farm"; } ]}/a/b)" = farm ]
  '';

  references = check "references" { } ''
    grep -qx ${pkgs.hello} ${pkgs.writeClosure [ (pkgs.writeText "t" "${pkgs.hello}") ]}
    grep -qx ${pkgs.hello} ${pkgs.closureInfo { rootPaths = [ pkgs.hello ]; }}/store-paths
  '';

  # -- data -------------------------------------------------------------------------------------

  formats =
    let
      value = { a = 1; b = "two"; c = true; };
      file = kind: (pkgs.formats.${kind} { }).generate "data" value;
    in
    check "formats" { nativeBuildInputs = [ pkgs.python3 pkgs.jq ]; } ''
      [ "$(jq -c . ${file "json"})" = '{"a":1,"b":"two","c":true}' ]
      python3 -c 'import sys, tomllib; assert tomllib.load(open(sys.argv[1], "rb")) == dict(a=1, b="two", c=True)' ${file "toml"}
      grep -q '"b":"two"' ${file "yaml"} # JSON is YAML
      grep -q '^b=two' ${file "keyValue"}
      grep -q '^b=two' ${(pkgs.formats.ini { }).generate "data" { section = value; }}
    '';

  python = check "python" { } ''
    ${pkgs.python3.withPackages (p: [ p.requests p.pyyaml ])}/bin/python3 -c 'import requests, yaml; print(requests.__version__)'
  '';

  # -- downloads --------------------------------------------------------------------------------

  hello = pkgs.stdenv.mkDerivation rec {
    pname = "hello";
    version = "2.10";
    src = pkgs.fetchurl {
      urls = [
        "mirror://debian/pool/main/h/hello/nothing-here.tar.gz"
        "mirror://debian/pool/main/h/hello/hello_${version}.orig.tar.gz"
      ];
      sha256 = "0ssi1wpaf7plaswqqjwigppsg5fyh99vdlb9kzl7c9lng89ndq1i";
    };
    doCheck = true;
  };
  helloRuns = check "hello" { } ''[ "$(${hello}/bin/hello)" = "Hello, world!" ]'';

  fetchzip = pkgs.fetchzip {
    url = "mirror://debian/pool/main/h/hello/hello_2.10.orig.tar.gz";
    hash = "sha256-tBws6cfY1e23oTv3qu2Oc1Q6ev1YtUrgAmGS6uh7ocY=";
  };

  # -- packages ---------------------------------------------------------------------------------

  inherit (import ./packages.nix { inherit pkgs; }) tools servers;

  # -- imports from derivations -----------------------------------------------------------------

  imported = pkgs.writeText "imported" (import (pkgs.runCommand "expression.nix" { } ''echo '{ x = "from a build"; }' >$out'')).x;
}
