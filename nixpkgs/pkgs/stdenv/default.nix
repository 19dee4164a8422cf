# The standard environment: `stdenv.mkDerivation` on Debian's compilers and tools.
final: prev:
let
  inherit (final) lib;
  platform = import ./platform.nix { inherit lib; inherit (prev) system; };

  # What every build finds on its PATH: one view, so that a small build has few inputs.
  buildTools = final.snowglobe.view {
    name = "build-tools";
    packages = [
      "bash"
      "coreutils"
      "findutils"
      "diffutils"
      "sed"
      "grep"
      "gawk"
      "tar"
      "gzip"
      "bzip2"
      "xz-utils"
      "make"
      "patch"
    ];
    links."bin/awk" = "/usr/bin/gawk";
  };

  make =
    { cc }:
    let
      setup = final.snowglobe.tree {
        name = if cc == null then "stdenv-linux-nocc" else "stdenv-linux";
        entries = [
          {
            path = "setup";
            type = "text";
            executable = false;
            text =
              ''
                initialPath="${buildTools}${lib.optionalString (cc != null) " ${cc}"}"
                SHELL=${final.bash}/bin/bash
                CONFIG_SHELL=$SHELL
                shell=$SHELL
                export SHELL CONFIG_SHELL
              ''
              + lib.optionalString (cc != null) ''
                export CC=gcc CXX=g++ AR=ar LD=ld RANLIB=ranlib STRIP=strip NM=nm OBJCOPY=objcopy OBJDUMP=objdump
              ''
              + builtins.readFile ./setup.sh;
          }
        ];
      };
      self = setup // {
        inherit cc setup;
        name = setup.name;
        mkDerivation = import ./make-derivation.nix { inherit lib final; stdenv = self; };
        shell = "${final.bash}/bin/bash";
        initialPath = [ buildTools ];
        hasCC = cc != null;
        hostPlatform = platform;
        buildPlatform = platform;
        targetPlatform = platform;
        extraNativeBuildInputs = [ ];
        extraBuildInputs = [ ];
        allowedRequisites = null;
        override = _: throw "stdenv.override is not supported: there is one standard environment, Debian's";
        overrideDerivation = _: throw "stdenv.overrideDerivation is not supported: there is one standard environment, Debian's";
        inherit (platform)
          system
          is32bit
          is64bit
          isDarwin
          isLinux
          isBSD
          isFreeBSD
          isi686
          isx86_32
          isx86_64
          isAarch32
          isAarch64
          isBigEndian
          isLittleEndian
          ;
        isx86 = true;
      };
    in
    self;
in
{
  stdenv = make { cc = final.gcc; };
  stdenvNoCC = make { cc = null; };
  gccStdenv = final.stdenv;
  clangStdenv = throw "pkgs.clangStdenv is not supported: the standard environment uses Debian's gcc";

  hostPlatform = platform;
  buildPlatform = platform;
  targetPlatform = platform;

  # The compiler as `stdenv.cc`: Debian's, behind wrappers that read NIX_CFLAGS_COMPILE,
  # NIX_CFLAGS_LINK and NIX_LDFLAGS.
  gcc =
    let
      compiler = final.snowglobe.view {
        name = "gcc-unwrapped";
        packages = [
          "gcc"
          "g++"
          "cpp"
          "binutils"
        ];
        extra = [ "libc6-dev" ];
        links = {
          "bin/cc" = "/usr/bin/gcc";
          "bin/c++" = "/usr/bin/g++";
        };
      };
      wrapper = program: {
        path = "bin/${program}";
        type = "text";
        executable = true;
        text = ''
          #!${final.bash}/bin/bash
          link="$NIX_CFLAGS_LINK"
          for flag in $NIX_LDFLAGS; do link+=" -Wl,$flag"; done
          for word in "$@"; do
            case "$word" in -c|-S|-E|-M|-MM|-fsyntax-only) link= ;; esac
          done
          exec ${compiler}/bin/${program} "$@" $NIX_CFLAGS_COMPILE $link
        '';
      };
      link = program: {
        path = "bin/${program}";
        type = "link";
        target = "${compiler}/bin/${program}";
      };
      tree = final.snowglobe.tree {
        name = "gcc-wrapper-${compiler.version}";
        entries =
          map wrapper [ "gcc" "g++" "cc" "c++" "cpp" ]
          ++ map link [
            "ar"
            "as"
            "ld"
            "nm"
            "objcopy"
            "objdump"
            "ranlib"
            "readelf"
            "size"
            "strings"
            "strip"
            "gcov"
          ];
      };
    in
    tree
    // {
      pname = "gcc";
      inherit (compiler) version;
      cc = compiler // {
        lib = final.libgcc;
      };
      libc = final.glibc;
      bintools = final.binutils;
      isGNU = true;
      isClang = false;
      targetPrefix = "";
      meta.mainProgram = "gcc";
    };
}
