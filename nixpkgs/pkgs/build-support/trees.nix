# Trees of links.
{ final, lib, simple }:
let
  # The outputs of a package that an environment installs.
  installed =
    extraOutputs: package:
    if !(lib.isDerivation package) then
      [ package ]
    else if package.outputSpecified or false then
      [ package ]
    else
      map (output: package.${output}) (
        lib.unique (
          (package.meta.outputsToInstall or [ "out" ])
          ++ builtins.filter (output: builtins.elem output (package.outputs or [ ])) extraOutputs
        )
      );

  # Real directories where a script may want to change something, links elsewhere.
  copyLinks = ''
    linkTree() {
      local source="$1" target="$2" depth="$3" entry
      mkdir -p "$target"
      for entry in "$source"/* "$source"/.[!.]*; do
        local to="$target/''${entry##*/}"
        if [ -d "$entry" ] && { [ ! -L "$entry" ] || ((depth == 0)) || [ -d "$to" ]; }; then
          if [ -L "$to" ]; then local old; old=$(readlink -f "$to"); rm "$to"; linkTree "$old" "$to" 1; fi
          linkTree "$entry" "$to" $((depth + 1))
        elif [ ! -e "$to" ] && [ ! -L "$to" ]; then
          ln -s "$entry" "$to"
        fi
      done
    }
  '';

  nameOf =
    who: args:
    args.name or (
      if args ? pname then "${args.pname}-${args.version}" else throw "${who}: 'name' is missing"
    );
in
{
  symlinkJoin =
    {
      paths,
      postBuild ? "",
      stripPrefix ? "",
      meta ? { },
      passthru ? { },
      ...
    }@args:
    let
      name = nameOf "symlinkJoin" args;
      sources = map (path: "${path}${stripPrefix}") (builtins.filter (path: path != null) (lib.flatten paths));
      rest = removeAttrs args [
        "name"
        "paths"
        "postBuild"
        "stripPrefix"
        "preferLocalBuild"
        "allowSubstitutes"
        "failOnMissing"
      ];
      forProcess = removeAttrs rest [
        "meta"
        "passthru"
        "pname"
        "version"
      ];
      versioned = lib.optionalAttrs (args ? pname) { inherit (args) pname version; };
    in
    if postBuild == "" && forProcess == { } then
      simple.union {
        inherit name meta;
        passthru = passthru // versioned // { inherit paths; };
        ignoreCollisions = true;
        paths = map (path: {
          inherit path;
          priority = 5;
        }) sources;
      }
    else
      final.runCommand name (rest // { inherit sources; passthru = passthru // { inherit paths; }; }) ''
        ${copyLinks}
        mkdir -p $out
        for source in $sources; do linkTree "$source" "$out" 0; done
        ${postBuild}
      '';

  buildEnv =
    {
      paths,
      pathsToLink ? [ "/" ],
      ignoreCollisions ? false,
      extraPrefix ? "",
      extraOutputsToInstall ? [ ],
      includeClosures ? false,
      # Two files with equal content never collide; this asks for exactly that.
      checkCollisionContents ? true,
      ignoreSingleFileOutputs ? false,
      manifest ? "",
      postBuild ? "",
      nativeBuildInputs ? [ ],
      buildInputs ? [ ],
      derivationArgs ? { },
      meta ? { },
      passthru ? { },
      ...
    }@args:
    let
      name = nameOf "buildEnv" args;
      union = simple.union {
        name = if postBuild == "" then name else "${name}-links";
        inherit
          pathsToLink
          ignoreCollisions
          extraPrefix
          meta
          ;
        passthru = passthru // { inherit paths; };
        paths = builtins.concatMap (
          package:
          map (path: {
            path = "${path}";
            priority = package.meta.priority or 5;
          }) (installed extraOutputsToInstall package)
        ) (builtins.filter (path: path != null) (lib.flatten paths));
      };
    in
    if includeClosures then
      throw "buildEnv '${name}': includeClosures is not supported"
    else if manifest != "" then
      throw "buildEnv '${name}': manifest is not supported"
    else if postBuild == "" then
      union
    else
      final.runCommand name
        (
          {
            inherit nativeBuildInputs buildInputs meta;
            passthru = passthru // { inherit paths; };
          }
          // derivationArgs
        )
        ''
          cp -r --no-dereference ${union} $out
          find $out -type d -exec chmod u+w {} +
          ${postBuild}
        '';

  linkFarm =
    name: entries:
    let
      list =
        if builtins.isAttrs entries then
          lib.mapAttrsToList (entry: path: {
            name = entry;
            inherit path;
          }) entries
        else
          entries;
      # A later entry of the same name wins.
      byName = builtins.listToAttrs (
        map (entry: {
          inherit (entry) name;
          value = "${entry.path}";
        }) (lib.reverseList list)
      );
    in
    simple.tree {
      inherit name;
      entries = lib.mapAttrsToList (path: target: {
        inherit path target;
        type = "link";
      }) byName;
      passthru.entries = builtins.listToAttrs (
        map (entry: {
          inherit (entry) name;
          value = entry.path;
        }) list
      );
    };

  linkFarmFromDrvs =
    name: packages:
    final.linkFarm name (
      map (package: {
        inherit (package) name;
        path = package;
      }) packages
    );

  emptyDirectory = simple.tree {
    name = "empty-directory";
    entries = [ ];
  };

  onlyBin =
    package:
    final.buildEnv {
      name = "${lib.getName package}-only-bin";
      paths = [ package ];
      pathsToLink = [ "/bin" ];
    };

  # A package with one directory of another.
  copyPathToStore = path: builtins.path { inherit path; };
  copyPathsToStore = map (path: builtins.path { inherit path; });
}
