# Builds by shell commands.
{ final, lib, simple }:
let
  runCommandWith =
    {
      stdenv ? final.stdenv,
      runLocal ? false,
      derivationArgs ? { },
      name,
    }:
    command:
    let
      make =
        args:
        stdenv.mkDerivation (
          {
            enableParallelBuilding = true;
            inherit name;
          }
          // removeAttrs args [ "passAsFile" ]
          // {
            buildCommand = command;
            passAsFile = [ "buildCommand" ] ++ args.passAsFile or [ ];
          }
          // lib.optionalAttrs runLocal {
            preferLocalBuild = true;
            allowSubstitutes = false;
          }
        );
    in
    if builtins.isFunction derivationArgs then
      throw "runCommandWith '${name}': derivationArgs must be an attribute set"
    else
      make derivationArgs;

  # What a closure consists of; the builder finds the graph in a file.
  graph =
    name: path: command:
    final.runCommand name {
      exportReferencesGraph = [
        "graph"
        path
      ];
    } command;

  catFiles =
    {
      name,
      files,
      executable ? false,
      destination ? "",
      checkPhase ? "",
      meta ? { },
      passthru ? { },
    }:
    final.runCommand name
      {
        inherit
          files
          executable
          destination
          checkPhase
          meta
          passthru
          ;
      }
      ''
        target=$out$destination
        mkdir -p "$(dirname "$target")"
        cat $files >"$target"
        if [ -n "$executable" ]; then chmod +x "$target"; fi
        eval "$checkPhase"
      '';
in
{
  inherit runCommandWith;

  runCommand =
    name: derivationArgs:
    runCommandWith {
      stdenv = final.stdenvNoCC;
      inherit name derivationArgs;
    };

  runCommandLocal =
    name: derivationArgs:
    runCommandWith {
      stdenv = final.stdenvNoCC;
      runLocal = true;
      inherit name derivationArgs;
    };

  runCommandCC =
    name: derivationArgs:
    runCommandWith {
      stdenv = final.stdenv;
      inherit name derivationArgs;
    };

  writeCBin =
    name: code:
    final.runCommandCC name
      {
        inherit code;
        passAsFile = [ "code" ];
        meta.mainProgram = name;
      }
      ''
        mkdir -p $out/bin
        cp "$codePath" program.c
        $CC -x c program.c -o "$out/bin/${name}"
      '';

  concatTextFile = catFiles;
  concatText = name: files: catFiles { inherit name files; };
  concatScript =
    name: files:
    catFiles {
      inherit name files;
      executable = true;
    };

  writeReferencesToFile = path: final.writeClosure [ path ];

  writeClosure =
    paths:
    final.runCommand "runtime-deps"
      {
        exportReferencesGraph = lib.concatLists (
          lib.imap0 (index: path: [
            "graph-${toString index}"
            path
          ]) paths
        );
      }
      ''
        for graph in graph-*; do
          while read -r path; do
            echo "$path"
            read -r deriver
            read -r count
            for ((i = 0; i < count; i++)); do read -r _; done
          done <"$graph"
        done | sort -u >$out
      '';

  writeDirectReferencesToFile =
    path:
    graph "runtime-references" path ''
      while read -r object; do
        read -r deriver
        read -r count
        for ((i = 0; i < count; i++)); do
          read -r reference
          if [ "$object" = ${path} ]; then echo "$reference"; fi
        done
      done <graph | sort -u >$out
    '';

  closureInfo =
    { rootPaths }:
    final.runCommand "closure-info" { paths = final.writeClosure rootPaths; } ''
      mkdir $out
      cp $paths $out/store-paths
      total=0
      while read -r path; do
        size=$(du -sb --apparent-size "$path" | cut -f1)
        total=$((total + size))
      done <$paths
      echo $total >$out/total-nar-size
    '';

  mkShell =
    {
      name ? "nix-shell",
      packages ? [ ],
      inputsFrom ? [ ],
      nativeBuildInputs ? [ ],
      ...
    }@args:
    final.stdenv.mkDerivation (
      removeAttrs args [
        "packages"
        "inputsFrom"
      ]
      // {
        inherit name;
        nativeBuildInputs =
          packages ++ nativeBuildInputs ++ builtins.concatMap (from: from.nativeBuildInputs or [ ]) inputsFrom;
        buildInputs = args.buildInputs or [ ] ++ builtins.concatMap (from: from.buildInputs or [ ]) inputsFrom;
        phases = [ "buildPhase" ];
        buildPhase = "export >$out";
      }
    );
  mkShellNoCC = final.mkShell;

  applyPatches =
    {
      src,
      name ? "${if builtins.isAttrs src then src.name else builtins.baseNameOf src}-patched",
      patches ? [ ],
      prePatch ? "",
      postPatch ? "",
      ...
    }@args:
    final.stdenvNoCC.mkDerivation (
      args
      // {
        inherit name;
        phases = [
          "unpackPhase"
          "patchPhase"
          "installPhase"
        ];
        installPhase = "cp -R ./ $out";
      }
    );
}
