# Packages whose point is what they add to a build: shell functions sourced by setup.sh.
{ final, lib, simple }:
let
  makeSetupHook =
    {
      name ? lib.warn "calling makeSetupHook without a name" "hook",
      propagatedBuildInputs ? [ ],
      propagatedNativeBuildInputs ? [ ],
      depsTargetTargetPropagated ? [ ],
      substitutions ? { },
      meta ? { },
      passthru ? { },
    }:
    script:
    let
      names = builtins.attrNames substitutions;
      text = builtins.replaceStrings (map (n: "@${n}@") names) (map (n: toString substitutions.${n}) names) (
        builtins.readFile script
      );
    in
    hook {
      inherit name text meta passthru;
      propagated = map lib.getDev (propagatedBuildInputs ++ propagatedNativeBuildInputs ++ depsTargetTargetPropagated);
    };

  hook =
    {
      name,
      text,
      propagated ? [ ],
      # Programs that come with the hook.
      programs ? { },
      meta ? { },
      passthru ? { },
    }:
    simple.tree {
      inherit name meta passthru;
      entries = [
        {
          path = "nix-support/setup-hook";
          type = "text";
          inherit text;
          executable = false;
        }
      ]
      ++ lib.optional (propagated != [ ]) {
        path = "nix-support/propagated-build-inputs";
        type = "text";
        text = toString propagated;
        executable = false;
      }
      ++ lib.mapAttrsToList (program: target: {
        path = "bin/${program}";
        type = "link";
        inherit target;
      }) programs;
    };

  # A package of Debian that also teaches a build something.
  withHook =
    package: text:
    package
    // {
      dev = package // withHook' package text;
      inherit (withHook' package text) outPath drvPath;
    };
  withHook' =
    package: text:
    simple.union {
      name = package.name;
      paths = [
        {
          path = "${package}";
          priority = 5;
        }
        {
          path = "${hook { name = "${package.pname}-hook"; inherit text; }}";
          priority = 5;
        }
      ];
    };
in
{
  inherit makeSetupHook;

  makeShellWrapper = hook {
    name = "make-shell-wrapper-hook";
    text = "shellOfWrappers=${final.runtimeShell}\n" + builtins.readFile ./make-wrapper.sh;
  };
  makeWrapper = final.makeShellWrapper;
  # Wrappers are scripts here, whichever of the two is asked for.
  makeBinaryWrapper = hook {
    name = "make-binary-wrapper-hook";
    text = "shellOfWrappers=${final.runtimeShell}\n" + builtins.readFile ./make-wrapper.sh;
  };

  installShellFiles = hook {
    name = "install-shell-files";
    text = builtins.readFile ./install-shell-files.sh;
  };

  autoreconfHook = hook {
    name = "autoreconf-hook";
    propagated = [
      final.autoconf
      final.automake
      final.libtool
    ];
    text = ''
      preConfigurePhases="''${preConfigurePhases-} autoreconfPhase"
      autoreconfPhase() {
        runHook preAutoreconf
        local flags=()
        concatTo flags autoreconfFlags='--install --force --verbose'
        autoreconf ''${flags[*]}
        runHook postAutoreconf
      }
    '';
  };

  cmake = withHook (final.snowglobe.fromRow "cmake" final.snowglobe.table.cmake) ''
    cmakeConfigurePhase() {
      runHook preConfigure
      local flags=()
      concatTo flags cmakeFlags cmakeFlagsArray
      if [ -z "''${dontUseCmakeBuildDir-}" ]; then mkdir -p "''${cmakeBuildDir:=build}"; cd "$cmakeBuildDir"; : "''${cmakeDir:=..}"; fi
      cmake "''${cmakeDir:-.}" "-DCMAKE_INSTALL_PREFIX=$prefix" -DCMAKE_BUILD_TYPE="''${cmakeBuildType:-Release}" \
        -DCMAKE_INSTALL_BINDIR="$prefix/bin" -DCMAKE_INSTALL_LIBDIR="$prefix/lib" -DCMAKE_SKIP_BUILD_RPATH=ON "''${flags[@]}"
      enableParallelBuilding=1
      runHook postConfigure
    }
    if [ -z "''${dontUseCmakeConfigure-}" ] && [ -z "''${configurePhase-}" ]; then configurePhase=cmakeConfigurePhase; fi
  '';

  ninja = withHook (final.snowglobe.fromRow "ninja" final.snowglobe.table.ninja) ''
    ninjaBuildPhase() { runHook preBuild; ninja -j"$NIX_BUILD_CORES" ''${ninjaFlags-}; runHook postBuild; }
    ninjaInstallPhase() { runHook preInstall; ninja ''${ninjaFlags-} install; runHook postInstall; }
    if [ -z "''${dontUseNinjaBuild-}" ] && [ -z "''${buildPhase-}" ]; then buildPhase=ninjaBuildPhase; fi
    if [ -z "''${dontUseNinjaInstall-}" ] && [ -z "''${installPhase-}" ]; then installPhase=ninjaInstallPhase; fi
  '';

  meson = withHook (final.snowglobe.fromRow "meson" final.snowglobe.table.meson) ''
    mesonConfigurePhase() {
      runHook preConfigure
      local flags=()
      concatTo flags mesonFlags mesonFlagsArray
      meson setup "''${mesonBuildDir:=build}" --prefix="$prefix" --libdir=lib --buildtype="''${mesonBuildType:-plain}" "''${flags[@]}"
      cd "$mesonBuildDir"
      runHook postConfigure
    }
    if [ -z "''${dontUseMesonConfigure-}" ] && [ -z "''${configurePhase-}" ]; then configurePhase=mesonConfigurePhase; fi
  '';

  copyDesktopItems = hook {
    name = "copy-desktop-items-hook";
    text = ''
      postInstallHooks+=(copyDesktopItems)
      copyDesktopItems() {
        local items=() item
        concatTo items desktopItems
        mkdir -p "$out/share/applications"
        for item in "''${items[@]}"; do
          if [ -d "$item" ]; then cp "$item"/share/applications/*.desktop "$out/share/applications/"; else cp "$item" "$out/share/applications/$(stripHash "$item")"; fi
        done
      }
    '';
  };

  # Nothing to do for files that lie where Debian put them.
  autoPatchelfHook = hook { name = "auto-patchelf-hook"; text = ""; };
  wrapGAppsHook3 = hook { name = "wrap-gapps-hook"; text = ""; };
  wrapGAppsHook = final.wrapGAppsHook3;
  wrapGAppsHook4 = final.wrapGAppsHook3;
  updateAutotoolsGnuConfigScriptsHook = hook { name = "update-autotools-gnu-config-scripts-hook"; text = ""; };
}
